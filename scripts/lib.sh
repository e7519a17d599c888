# Shared by the scripts: where build outputs go, and what a build needs.
# shellcheck shell=sh

set -eu
ROOT=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
CACHE=${STYX_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/styx}
# Outside the clone, so that another clone finds RocksDB compiled.
CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$CACHE/target}
export CARGO_TARGET_DIR
BIN=$CARGO_TARGET_DIR/debug

say() { printf '%s\n' "$*" >&2; }
die() { say "error: $*"; exit 1; }

# Installs what the build needs, or says exactly what is missing.
need_build_tools() {
    command -v cargo >/dev/null 2>&1 || die "cargo is missing: install Rust 1.95 or newer from https://rustup.rs"
    missing=
    for pair in clang:clang g++:g++ make:make; do
        command -v "${pair%%:*}" >/dev/null 2>&1 || missing="$missing ${pair#*:}"
    done
    if ! ldconfig -p 2>/dev/null | grep -q 'libclang[-.]' && ! ls /usr/lib/llvm-*/lib/libclang*.so* >/dev/null 2>&1; then
        missing="$missing libclang-dev"
    fi
    [ -n "$missing" ] || return 0
    if command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" = 0 ]; then
        say "installing what RocksDB's build needs:$missing"
        # shellcheck disable=SC2086
        { apt-get update -qq && apt-get install -y -qq $missing; } >&2 || die "apt-get could not install:$missing"
    else
        die "RocksDB's build needs:$missing (Debian and Ubuntu: sudo apt-get install$missing)"
    fi
}

# Says what fuzzing lacks on this machine, and nothing if it can be done. Installs cargo-fuzz where the toolchain is there.
fuzzing_lacks() {
    if ! rustup toolchain list 2>/dev/null | grep -q '^nightly'; then
        echo "a nightly toolchain (rustup toolchain install nightly)"
        return
    fi
    cargo_tool cargo-fuzz 0.13.2 || echo "cargo-fuzz, which could not be installed"
}

# Installs a tool of cargo's in exactly this version, unless it is there.
cargo_tool() {
    grep -q "^\"$1 $2 " "$CACHE/tools/.crates.toml" 2>/dev/null ||
        cargo install "$1" --version "$2" --locked --root "$CACHE/tools" --target-dir "$CACHE/tools/target" >&2
}

# How many files RocksDB is compiled from; nothing where cargo keeps it is unknown.
rocksdb_files() {
    version=$(sed -n '/^name = "librocksdb-sys"$/{n;s/^version = "\(.*\)"$/\1/p;}' "$ROOT/Cargo.lock")
    cat "${CARGO_HOME:-$HOME/.cargo}"/registry/src/*/"librocksdb-sys-$version"/rocksdb_lib_sources.txt 2>/dev/null |
        wc -w | awk '$1 > 0 { print $1 }'
}

# Counts RocksDB's object files while cargo, which says nothing about them, makes them. Ends with the script.
rocksdb_progress() {
    # Nothing that sleeps here holds the script's output open.
    pause() { sleep "${STYX_PROGRESS_POLL:-2}" >/dev/null 2>&1 & wait $!; }
    begun=$(mktemp)
    trap 'rm -f "$begun"' EXIT
    trap 'exit 0' TERM
    if [ -t 2 ]; then clear='\r\033[K' every=10; else clear='' every=60; fi
    every=${STYX_PROGRESS_EVERY:-$every} said=0 last=0 of=
    while kill -0 "$1" 2>/dev/null; do
        pause
        made=$(find "$CARGO_TARGET_DIR"/*/build/librocksdb-sys-*/out -name '*.o' -newer "$begun" 2>/dev/null | wc -l)
        now=$(date +%s)
        [ "$made" -gt "$last" ] && [ "$((now - said))" -ge "$every" ] || continue
        [ -n "$of" ] || of=$(rocksdb_files)
        # shellcheck disable=SC2059
        printf "${clear}RocksDB: $((made)) of ${of:-about 340} files\n" >&2
        last=$made said=$now
    done
}

# The one build that run, tests and CI share: RocksDB takes about 20 minutes on two cores, once.
build() {
    [ -d "$CARGO_TARGET_DIR/debug/build" ] || say "first build: RocksDB alone takes about 20 minutes on two cores"
    rocksdb_progress $$ &
    progress=$!
    built=0
    (cd "$ROOT" && cargo build --workspace --all-features "$@") || built=$?
    kill "$progress" 2>/dev/null || true
    wait "$progress" 2>/dev/null || true
    return "$built"
}
