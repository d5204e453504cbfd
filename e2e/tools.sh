#!/usr/bin/env bash
# Makes sure that everything the end-to-end tests start is there, then runs a command with it.
#
#   e2e/tools.sh                        prepares, and prints where things are
#   e2e/tools.sh pytest e2e/tests       prepares, then runs pytest from the pinned environment
#   E2E_PARTS="kube python" e2e/tools.sh python e2e/control_plane.py up
#
# Parts (E2E_PARTS, default kube, helm, gitops, certmanager, node and python): kube, helm, gitops (what Flux and Argo CD make of a
# status), certmanager (its controllers and its injector), node (Node.js for the OpenID provider), python, box (the small programs
# of the tests' pods), machine (a node of Kubernetes on this machine: what kubelet needs, CoreDNS, and box), and earlier (images
# and chart of a release before this one, built from this
# repository's history).
# What has to be built or installed is built once into a cache outside the work tree: $MESH_AUTH_CACHE, else
# $XDG_CACHE_HOME/nginx-mesh-auth, else ~/.cache/nginx-mesh-auth. KUBEBUILDER_ASSETS, if set, is a folder with
# kube-apiserver, etcd and kubectl (part machine: also with kubelet and the other components).
set -euo pipefail

readonly kKubeVersion=1.36.3
readonly kHelmVersion=4.3.1
readonly kGoNeeded=1.26
readonly kNodeNeeded=20
# What a user upgrades from. Moved on by hand, when what came before a release is to be upgraded from.
readonly kEarlier=867ee35baf486a52553e37bdb3f332fa7862510d

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${MESH_AUTH_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/nginx-mesh-auth}
# The digest keeps a program that was built from other sources from being taken for this one.
digest() { cat "$@" | sha256sum | cut -c1-12; }
kube_dir=$cache/kube-$kKubeVersion-$(digest "$here"/cluster/{go.mod,go.sum,main.go})
helm_dir=$cache/helm-$kHelmVersion
coredns_dir=$cache/coredns-$(digest "$here"/coredns/{go.mod,go.sum,main.go})
box_dir=$cache/box-$(digest "$here"/node/box/{go.mod,*.go})
earlier_dir=$cache/earlier-${kEarlier:0:12}
gitops_dir=$cache/gitops-$(digest "$here"/gitops/{go.mod,go.sum,*.go})
certmanager_dir=$cache/cert-manager-$(digest "$here"/certmanager/{go.mod,go.sum,main.go})
readonly kComponents="kube-apiserver kube-controller-manager kube-proxy kube-scheduler kubectl kubelet"
parts=" ${E2E_PARTS:-kube helm gitops certmanager node python} "

say() { printf 'e2e: %s\n' "$*" >&2; }
wants() { [[ $parts == *" $1 "* ]]; }
wants_box() { wants box || wants machine; }
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

# A shallow clone lacks it, and gets that one commit from where it came from.
need_history() {
  git -C "$here" cat-file -e "$kEarlier^{commit}" 2>/dev/null && return
  git -C "$here" fetch --quiet --depth=1 origin "$kEarlier" 2>/dev/null && return
  miss "commit $kEarlier (an earlier release is built from it): a whole clone has it, \`git fetch --unshallow\` gets it"
}

find_nginx() { command -v nginx || { [[ -x /usr/sbin/nginx ]] && echo /usr/sbin/nginx; } || true; }

# What kubelet and the programs around it call.
need_machine() {
  local command plugin
  for command in containerd:containerd containerd-shim-runc-v2:containerd ctr:containerd runc:runc iptables:iptables \
    ip:iproute2 unshare:util-linux nsenter:util-linux mount:mount; do
    PATH=$PATH:/usr/sbin:/sbin command -v "${command%%:*}" >/dev/null || miss "${command%%:*}: apt-get install ${command##*:}"
  done
  for plugin in bridge host-local loopback portmap; do
    [[ -x /usr/lib/cni/$plugin ]] || miss "/usr/lib/cni/$plugin: apt-get install containernetworking-plugins"
  done
  [[ -x $coredns_dir/coredns ]] || need_go "CoreDNS"
}

check_present() {
  if wants kube; then
    if [[ -n ${KUBEBUILDER_ASSETS:-} ]]; then
      local name
      for name in etcd $(wants machine && echo "$kComponents" || echo kube-apiserver kubectl); do
        [[ -x $KUBEBUILDER_ASSETS/$name ]] || miss "$name: not in KUBEBUILDER_ASSETS ($KUBEBUILDER_ASSETS)"
      done
    else
      command -v etcd >/dev/null || miss "etcd: apt-get install etcd-server"
      [[ -x $kube_dir/kube ]] || need_go "Kubernetes $kKubeVersion"
    fi
  fi
  if wants helm && [[ ! -x ${KUBEBUILDER_ASSETS:-/nonexistent}/helm && ! -x $helm_dir/helm ]]; then
    need_go "helm $kHelmVersion"
  fi
  if wants gitops && [[ ! -x $gitops_dir/gitops ]]; then need_go "the judges of GitOps"; fi
  if wants certmanager && [[ ! -x $certmanager_dir/cert-manager ]]; then need_go "cert-manager"; fi
  if wants machine; then need_machine; fi
  if wants_box && [[ ! -x $box_dir/box ]]; then need_go "the programs of the tests' pods"; fi
  if wants earlier && [[ ! -e $earlier_dir/.complete ]]; then need_history; fi
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

# Go's build cache for these programs takes 4 GB, of use only until all are built.
readonly go_cache=$cache/go-build
go_once() { GOCACHE=$go_cache GOTOOLCHAIN=local CGO_ENABLED=0 nice -n 5 go "$@"; }

# build_once WHAT MINUTES SOURCE PROGRAM LDFLAGS
build_once() {
  [[ -x $4 ]] && return
  say "building $1 once into $(dirname "$4") (about $2 on 2 cores)"
  mkdir -p "$(dirname "$4")"
  (cd "$3" && go_once build -trimpath -ldflags "-s -w $5" -o "$4.new" .)
  mv "$4.new" "$4"
}

build_kube() {
  local version=k8s.io/component-base/version
  build_once "Kubernetes $kKubeVersion" "13 minutes" "$here/cluster" "$kube_dir/kube" \
    "-X $version.gitVersion=v$kKubeVersion -X $version.gitMajor=${kKubeVersion%%.*} -X $version.gitMinor=$(cut -d. -f2 <<<"$kKubeVersion")"
}

build_helm() {
  [[ -x $helm_dir/helm ]] && return
  say "building helm $kHelmVersion once into $helm_dir (about 5 minutes on 2 cores)"
  GOBIN=$helm_dir/.new go_once install -ldflags "-s -w" "helm.sh/helm/v4/cmd/helm@v$kHelmVersion"
  mv "$helm_dir/.new/helm" "$helm_dir/helm"
  rmdir "$helm_dir/.new"
}

# With the definitions of its kinds, which are in its module.
build_certmanager() {
  [[ -x $certmanager_dir/cert-manager ]] && return
  local source
  source=$(cd "$here/certmanager" && go_once mod download -json github.com/cert-manager/cert-manager | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')
  mkdir -p "$certmanager_dir/crds"
  install -m 644 "$source"/deploy/crds/*.yaml "$certmanager_dir/crds/"
  build_once "cert-manager" "4 minutes" "$here/certmanager" "$certmanager_dir/cert-manager" ""
}

build_earlier() {
  [[ -e $earlier_dir/.complete ]] && return
  say "building the release before once into $earlier_dir (about 6 minutes on 2 cores)"
  rm -rf "$earlier_dir"
  mkdir -p "$earlier_dir/source"
  git -C "$here/.." archive "$kEarlier" | tar -x -C "$earlier_dir/source"
  (
    cd "$earlier_dir/source"
    cmake --preset release >configure.log
    nice -n 5 ninja -C build --quiet mesh-auth-operator mesh-auth-agent meshauthctl ngx_http_mesh_auth_module >&2
    SOURCE_DATE_EPOCH=0 python3 images/build.py -o "$earlier_dir/images" operator sidecar >&2
    mv charts "$earlier_dir/charts"
  )
  rm -rf "$earlier_dir/source"
  touch "$earlier_dir/.complete"
}

# The one program answers to the name it is called by.
link_kube() {
  local name
  mkdir -p "$kube_dir/bin"
  for name in $kComponents; do ln -sfn ../kube "$kube_dir/bin/$name"; done
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
mkdir -p "$cache"
exec 9>"$cache/lock"
if ! flock --nonblock 9; then
  say "waiting for another run that is preparing $cache"
  flock 9
fi
venv=
if wants kube && [[ -z ${KUBEBUILDER_ASSETS:-} ]]; then build_kube; link_kube; fi
if wants helm && [[ ! -x ${KUBEBUILDER_ASSETS:-/nonexistent}/helm ]]; then build_helm; fi
if wants gitops; then build_once "the judges of GitOps" "a minute" "$here/gitops" "$gitops_dir/gitops" ""; fi
if wants certmanager; then build_certmanager; fi
if wants machine; then build_once "CoreDNS" "3 minutes" "$here/coredns" "$coredns_dir/coredns" ""; fi
if wants_box; then build_once "the programs of the tests' pods" "a minute" "$here/node/box" "$box_dir/box" ""; fi
if wants earlier; then build_earlier; fi
if wants kube && wants helm; then rm -rf "$go_cache"; fi
if wants python; then make_venv; fi
if wants node; then make_node_modules; fi
rm -rf "$cache"/*/*.new "$cache"/*/.new "$cache"/.oidc.* # of a run that was ended half way
flock --unlock 9
exec 9>&-

export MESH_AUTH_KUBE_BIN=${KUBEBUILDER_ASSETS:-$kube_dir/bin}
export MESH_AUTH_HELM=$helm_dir/helm
if wants gitops; then export MESH_AUTH_GITOPS=$gitops_dir/gitops; fi
if wants certmanager; then export MESH_AUTH_CERT_MANAGER=$certmanager_dir/cert-manager; fi
if wants machine; then export MESH_AUTH_COREDNS=$coredns_dir/coredns; fi
if wants_box; then export MESH_AUTH_BOX=$box_dir/box; fi
if wants earlier; then export MESH_AUTH_EARLIER=$earlier_dir; fi
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
