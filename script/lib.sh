# Set-up that every script shares. Sourced, never run. Repeatable; says what it does.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Build output lies outside the checkout, so that a fresh clone finds the dependencies compiled.
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/gantry/target}"
export CARGO_TERM_COLOR="${CARGO_TERM_COLOR:-auto}"

say() { printf '\n==> %s\n' "$*"; }

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; elif command -v sudo >/dev/null; then sudo "$@"; else
  echo "error: '$*' needs root; install it by hand or run this script as root" >&2; return 1; fi; }

# apt_install COMMAND=PACKAGE ...: installs the packages whose command is missing.
apt_install() {
  local missing=() pair
  for pair in "$@"; do command -v "${pair%%=*}" >/dev/null || [ -e "${pair%%=*}" ] || missing+=("${pair#*=}"); done
  [ ${#missing[@]} -eq 0 ] && return 0
  command -v apt-get >/dev/null || { echo "error: please install: ${missing[*]}" >&2; return 1; }
  say "installing system packages: ${missing[*]}"
  ${apt_updated:-false} || { as_root apt-get update -qq; apt_updated=true; }
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

need_rust() {
  command -v cargo >/dev/null || [ ! -x "$HOME/.cargo/bin/cargo" ] || export PATH="$HOME/.cargo/bin:$PATH"
  command -v cargo >/dev/null || apt_install cargo=cargo rustc=rustc
  local have want
  have=$(rustc --version | cut -d' ' -f2); want=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
  if [ "$(printf '%s\n%s\n' "$want" "${have%%-*}" | sort -V | head -n1)" != "$want" ]; then
    echo "error: Rust $want or newer is needed, this machine has $have; get it with rustup" >&2; return 1
  fi
}

# What a build and a run need on any machine.
need_base() {
  apt_install cc=gcc cmake=cmake git=git mkfs.ext4=e2fsprogs python3=python3
  need_rust
}

# Whether Node is new enough for the web pages' tools; says so when it is not.
have_node() {
  command -v node >/dev/null && command -v npm >/dev/null || apt_install node=nodejs npm=npm || return 1
  local want=20.19 have
  have=$(node --version); have=${have#v}
  [ "$(printf '%s\n%s\n' "$want" "$have" | sort -V | head -n1)" = "$want" ] && return 0
  echo "the web pages need Node $want or newer, this machine has $have" >&2
  return 1
}

# Packages of the web pages, at the versions of the lock file.
web_modules() {
  have_node || return 1
  cmp -s web/package-lock.json web/node_modules/.installed && return 0
  say "installing the packages of the web pages"
  (cd web && npm ci --silent --no-audit --no-fund) || return 1
  cp web/package-lock.json web/node_modules/.installed
}

# The web pages in web/dist. Builds are kept by the digest of their sources, so a fresh clone of the same sources needs
# neither npm nor its registry. Without Node the hub is built all the same, and shows a page that says what is missing.
build_web() {
  local key kept
  key=$(find web -type f -not -path 'web/node_modules/*' -not -path 'web/dist/*' -not -path 'web/build/*' \
    -not -path 'web/e2e/*' -not -name '*.test.ts*' -not -name 'schema.d.ts' -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum | cut -c1-24)
  if [ "$(cat web/dist/.built 2>/dev/null)" = "$key" ]; then return 0; fi
  kept="${XDG_CACHE_HOME:-$HOME/.cache}/gantry/web/$key"
  if [ ! -e "$kept/index.html" ]; then
    if ! web_modules; then say "without the web pages: the hub runs, and its API and commands work"; return 0; fi
    say "building the web pages"
    local fresh="$kept.$$"
    (cd web && GANTRY_WEB_OUT="$fresh" npm run --silent build -- --logLevel warn)
    rm -rf "$kept"; mv "$fresh" "$kept"
  fi
  find web/dist -mindepth 1 -not -name .gitignore -delete
  cp -R "$kept/." web/dist/
  printf '%s' "$key" > web/dist/.built
}
