#!/usr/bin/env bash
# Makes sure that everything the end-to-end tests start is there, then runs a command with it.
#
#   e2e/tools.sh                        prepares, and prints where things are
#   e2e/tools.sh pytest e2e/tests       prepares, then runs pytest from the pinned environment
#   E2E_PARTS="kube python" e2e/tools.sh python e2e/cluster.py up
#
# Parts (E2E_PARTS, default all): kube, helm, node, python. What has to be built or installed is built once
# into a cache outside the work tree: $MESH_AUTH_CACHE, else $XDG_CACHE_HOME/nginx-mesh-auth, else
# ~/.cache/nginx-mesh-auth. KUBEBUILDER_ASSETS, if set, is a folder with kube-apiserver, etcd and kubectl.
set -euo pipefail

readonly kKubeVersion=1.36.3
readonly kHelmVersion=4.3.1
readonly kGoNeeded=1.26
readonly kNodeNeeded=20

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${MESH_AUTH_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/nginx-mesh-auth}
kube_dir=$cache/kube-$kKubeVersion
parts=" ${E2E_PARTS:-kube helm node python} "

say() { printf 'e2e: %s\n' "$*" >&2; }
wants() { [[ $parts == *" $1 "* ]]; }
# at_least WANTED FOUND
at_least() { [[ $(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n1) == "$1" ]]; }

missing=()
miss() { missing+=("$1"); }

need_go() {
  local found
  if ! command -v go >/dev/null; then
    miss "Go >= $kGoNeeded (to build $1): there is no 'go' on PATH"
    return
  fi
  found=$(GOTOOLCHAIN=local go env GOVERSION)
  at_least "$kGoNeeded" "${found#go}" || miss "Go >= $kGoNeeded (to build $1): found ${found#go} at $(command -v go)"
}

need_node() {
  local found
  if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
    miss "Node >= $kNodeNeeded with npm (for the OpenID provider): there is no 'node' or no 'npm' on PATH"
    return
  fi
  found=$(node --version)
  at_least "$kNodeNeeded" "${found#v}" || miss "Node >= $kNodeNeeded (for the OpenID provider): found ${found#v} at $(command -v node)"
}

find_nginx() { command -v nginx || { [[ -x /usr/sbin/nginx ]] && echo /usr/sbin/nginx; } || true; }

check_present() {
  if wants kube; then
    if [[ -n ${KUBEBUILDER_ASSETS:-} ]]; then
      local name
      for name in kube-apiserver etcd kubectl; do
        [[ -x $KUBEBUILDER_ASSETS/$name ]] || miss "$name: not in KUBEBUILDER_ASSETS ($KUBEBUILDER_ASSETS)"
      done
    else
      command -v etcd >/dev/null || miss "etcd: apt-get install etcd-server"
      [[ -x $kube_dir/kube ]] || need_go "kube-apiserver and kubectl $kKubeVersion"
    fi
  fi
  if wants helm && [[ ! -x ${KUBEBUILDER_ASSETS:-/nonexistent}/helm && ! -x $kube_dir/helm ]]; then
    need_go "helm $kHelmVersion"
  fi
  if wants node; then need_node; fi
  if wants python; then
    local code='import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))'
    python3 -c "$code" 2>/dev/null || miss "Python >= 3.11 with venv: apt-get install python3-venv"
  fi
  [[ -n $(find_nginx) ]] || miss "nginx: apt-get install nginx"
  command -v setpriv >/dev/null || miss "setpriv: apt-get install util-linux"

  if ((${#missing[@]})); then
    say "cannot start, this is missing:"
    printf '  - %s\n' "${missing[@]}" >&2
    exit 1
  fi
}

# Go's build cache for these two programs takes 3.5 GB, of use only until both are built.
readonly go_cache=$cache/go-build
go_once() { GOCACHE=$go_cache GOTOOLCHAIN=local nice -n 5 go "$@"; }

build_kube() {
  [[ -x $kube_dir/kube ]] && return
  say "building kube-apiserver and kubectl $kKubeVersion once into $kube_dir (about 10 minutes on 2 cores)"
  local version=k8s.io/component-base/version
  (cd "$here/cluster" && go_once build -trimpath -ldflags "-s -w \
-X $version.gitVersion=v$kKubeVersion -X $version.gitMajor=${kKubeVersion%%.*} -X $version.gitMinor=$(cut -d. -f2 <<<"$kKubeVersion")" \
    -o "$kube_dir/.kube.$$" .)
  mv "$kube_dir/.kube.$$" "$kube_dir/kube"
}

build_helm() {
  [[ -x $kube_dir/helm ]] && return
  say "building helm $kHelmVersion once into $kube_dir (about 5 minutes on 2 cores)"
  local bin=$kube_dir/.helm.$$
  GOBIN=$bin go_once install -ldflags "-s -w" "helm.sh/helm/v4/cmd/helm@v$kHelmVersion"
  mv "$bin/helm" "$kube_dir/helm"
  rmdir "$bin"
}

# The one program answers to the name it is called by.
link_kube() {
  mkdir -p "$kube_dir/bin"
  ln -sfn ../kube "$kube_dir/bin/kube-apiserver"
  ln -sfn ../kube "$kube_dir/bin/kubectl"
  ln -sfn "$(command -v etcd)" "$kube_dir/bin/etcd"
}

# A virtual environment cannot be moved, so it is made in place and is whole only with its stamp.
make_venv() {
  local key
  key=$({ python3 -c 'import sys; print(sys.version, sys.prefix)'; cat "$here/requirements.txt"; } | sha256sum | cut -c1-16)
  venv=$cache/python-$key
  [[ -e $venv/.complete ]] && return
  say "installing pytest and its few packages once into $venv"
  rm -rf "$venv"
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet --no-input --require-hashes --only-binary :all: -r "$here/requirements.txt" >&2
  touch "$venv/.complete"
}

make_node_modules() {
  local key folder
  key=$({ node --version; cat "$here/oidc/package.json" "$here/oidc/package-lock.json"; } | sha256sum | cut -c1-16)
  folder=$cache/oidc-$key
  if [[ ! -d $folder ]]; then
    say "installing the OpenID provider's packages once into $folder"
    local staging=$cache/.oidc.$$
    mkdir -p "$staging"
    cp "$here/oidc/package.json" "$here/oidc/package-lock.json" "$staging/"
    (cd "$staging" && npm ci --omit=dev --ignore-scripts --no-audit --no-fund --loglevel=error >&2)
    mv "$staging" "$folder"
  fi
  ln -sfn "$folder/node_modules" "$here/oidc/node_modules"
}

check_present
mkdir -p "$kube_dir"
exec 9>"$cache/lock"
if ! flock --nonblock 9; then
  say "waiting for another run that is preparing $cache"
  flock 9
fi
venv=
if wants kube && [[ -z ${KUBEBUILDER_ASSETS:-} ]]; then build_kube; link_kube; fi
if wants helm && [[ ! -x ${KUBEBUILDER_ASSETS:-/nonexistent}/helm ]]; then build_helm; fi
if wants kube && wants helm; then rm -rf "$go_cache"; fi
if wants python; then make_venv; fi
if wants node; then make_node_modules; fi
rm -rf "$kube_dir"/.kube.* "$kube_dir"/.helm.* "$cache"/.oidc.* # of a run that was ended half way
flock --unlock 9
exec 9>&-

export MESH_AUTH_KUBE_BIN=${KUBEBUILDER_ASSETS:-$kube_dir/bin}
export MESH_AUTH_HELM=$kube_dir/helm
[[ -x ${KUBEBUILDER_ASSETS:-/nonexistent}/helm ]] && MESH_AUTH_HELM=$KUBEBUILDER_ASSETS/helm
MESH_AUTH_NGINX=${MESH_AUTH_NGINX:-$(find_nginx)}
export MESH_AUTH_NGINX
export PYTHONPYCACHEPREFIX=${PYTHONPYCACHEPREFIX:-$here/../build/e2e/pycache}
[[ -n $venv ]] && export PATH="$venv/bin:$PATH" VIRTUAL_ENV="$venv"

if (($# == 0)); then
  printf 'MESH_AUTH_KUBE_BIN=%s\nMESH_AUTH_HELM=%s\nMESH_AUTH_NGINX=%s\nVIRTUAL_ENV=%s\n' \
    "$MESH_AUTH_KUBE_BIN" "$MESH_AUTH_HELM" "$MESH_AUTH_NGINX" "$venv"
  exit 0
fi
exec "$@"
