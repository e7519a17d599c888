//! The binary `styx-server`; everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    styx_server::main()
}
