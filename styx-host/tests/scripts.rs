//! The scripts' one build shows how far RocksDB is, and ends as cargo does.

#![allow(clippy::unwrap_used, reason = "a helper of a test may panic as the test may")]

use std::{
    fs::{self, File, Permissions},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Output},
};

use tempfile::TempDir;

/// Runs the build of `scripts/lib.sh` with another program in cargo's place.
fn build(dir: &Path, cargo: &str) -> (Output, String) {
    let scripts = dir.join("clone/scripts");
    fs::create_dir_all(&scripts).unwrap();
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    fs::copy(repository.join("scripts/lib.sh"), scripts.join("lib.sh")).unwrap();
    fs::write(scripts.join("try"), ". \"$(dirname -- \"$0\")/lib.sh\"\nbuild --flag\necho built").unwrap();
    fs::write(dir.join("clone/Cargo.lock"), "[[package]]\nname = \"librocksdb-sys\"\nversion = \"1.2.3\"\n").unwrap();
    let sources = dir.join("cargo/registry/src/index/librocksdb-sys-1.2.3");
    fs::create_dir_all(&sources).unwrap();
    fs::write(sources.join("rocksdb_lib_sources.txt"), "a.cc b.cc\nc.cc\n").unwrap();
    let bin = dir.join("bin");
    fs::create_dir_all(&bin).unwrap();
    fs::write(bin.join("cargo"), format!("#!/bin/sh\n{cargo}\n")).unwrap();
    fs::set_permissions(bin.join("cargo"), Permissions::from_mode(0o755)).unwrap();
    let said = dir.join("said");
    let output = Command::new("sh")
        .arg(scripts.join("try"))
        .env("PATH", format!("{}:{}", bin.display(), std::env::var("PATH").unwrap()))
        .env("CARGO_HOME", dir.join("cargo"))
        .env("CARGO_TARGET_DIR", dir.join("target"))
        .env("STYX_PROGRESS_POLL", "0.05")
        .env("STYX_PROGRESS_EVERY", "0")
        .env("SAID", &said)
        .stderr(File::create(&said).unwrap())
        .output()
        .unwrap();
    (output, fs::read_to_string(said).unwrap())
}

/// Makes object files one by one until that was told of, however slow the machine is.
const COMPILES: &str = r#"
out=$CARGO_TARGET_DIR/debug/build/librocksdb-sys-1/out
mkdir -p "$out"
echo "cargo: $*" >&2
file=0
while [ "$file" -lt 1000 ] && ! grep -q "^RocksDB: " "$SAID"; do
    file=$((file + 1))
    : >"$out/$file.o"
    sleep 0.05
done
"#;

#[test]
fn progress_is_shown_without_a_terminal_and_the_build_goes_on() {
    let dir = TempDir::new().unwrap();
    let old = dir.path().join("target/debug/build/librocksdb-sys-0/out");
    fs::create_dir_all(&old).unwrap();
    fs::write(old.join("of-an-earlier-build.o"), "").unwrap();
    let (output, said) = build(dir.path(), COMPILES);
    let out = String::from_utf8_lossy(&output.stdout);
    assert_eq!((output.status.code(), &*out), (Some(0), "built\n"), "{said}");
    assert!(said.contains("cargo: build --workspace --all-features --flag\n"), "{said}");
    assert!(said.contains(" of 3 files\n") && said.contains("RocksDB: "), "{said}");
    assert!(!said.contains('\u{1b}'), "{said}");
}

#[test]
fn cargos_exit_code_is_the_builds_and_nothing_is_left() {
    let dir = TempDir::new().unwrap();
    let (output, said) = build(dir.path(), "exit 101");
    assert_eq!((output.status.code(), output.stdout), (Some(101), Vec::new()));
    assert!(!said.contains("RocksDB: "), "{said}");
}
