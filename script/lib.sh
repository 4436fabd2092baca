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
