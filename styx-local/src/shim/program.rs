//! The shim of the local executor as a program of its own: `styx-shim RUN_FOLDER`.

use std::process::ExitCode;

fn main() -> ExitCode {
    styx_local::shim::main(std::env::args_os().skip(1))
}
