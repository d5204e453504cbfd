#!/bin/bash
# configure-headers.sh SOURCE TREE: copies nginx's configure from SOURCE (nginx-dev) to TREE and runs it there with the
# flags of the installed nginx, for TREE/objs/ngx_auto_config.h. Nothing is compiled but configure's own probes.
set -euo pipefail
source=$1
tree=$2

rm -rf "$tree"
mkdir -p "$tree"
cp -r "$source/." "$tree"
cd "$tree"
. ./conf_flags
if ! ./configure "${NGX_CONF_FLAGS[@]}" >configure.log 2>&1; then
  tail -20 configure.log >&2
  exit 1
fi
