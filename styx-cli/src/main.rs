//! The binary `styx`; all of it is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    styx_cli::main()
}
