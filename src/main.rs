//! The ringpost binary: arguments in, exit code out. Everything else is in the library.

use ringpost::{cli, commands};
use std::process::ExitCode;

fn main() -> ExitCode {
    match cli::parse(std::env::args_os().skip(1)) {
        Ok(invocation) => commands::perform(&invocation).into(),
        Err(error) => {
            commands::complain(&format!("ringpost: {error}"));
            commands::Exit::Wrong.into()
        }
    }
}
