//! The frame of both programs: arguments in, text out, and one line for each error.

use crate::heap::write_last_line;
use crate::{files, interrupt};
use clap::{Command, Parser};
use std::ffi::OsString;
use std::io::{self, ErrorKind, Write, stderr, stdout};
use std::process::ExitCode;

/// Parses the command line, runs, and prints the text that `run` returns.
///
/// The exit code is 0 after success, 1 after an error, 2 after a wrong command line, and 128 and its number after a signal.
pub fn main<A: Parser>(run: impl FnOnce(A) -> anyhow::Result<String>) -> ExitCode {
    let args = match parse::<A>(std::env::args_os()) {
        Ok(args) => args,
        Err(error) if error.use_stderr() => {
            let _ = writeln!(stderr(), "{}", usage_error(&error.to_string()));
            return ExitCode::from(2);
        }
        // `--help` or `--version`.
        Err(error) => return exit_code(error.print().and_then(|()| stdout().flush())),
    };
    match run(args) {
        Ok(text) => exit_code(print(&text)),
        Err(e) => fail(&e),
    }
}

/// The exit code of a program that has written its text.
fn exit_code(written: io::Result<()>) -> ExitCode {
    match written {
        // The reader of a pipe may have seen enough.
        Err(e) if e.kind() != ErrorKind::BrokenPipe => fail(&anyhow::Error::from(e).context("standard output")),
        _ => ExitCode::SUCCESS,
    }
}

/// The arguments. A negative number after an option is parsed as its value, not as an unknown option.
fn parse<A: Parser>(args: impl IntoIterator<Item = OsString>) -> Result<A, clap::Error> {
    let mut command = take_negative_numbers(A::command()).mut_subcommands(take_negative_numbers);
    let mut matches = command.try_get_matches_from_mut(args)?;
    A::from_arg_matches_mut(&mut matches).map_err(|error| error.format(&mut command))
}

fn take_negative_numbers(command: Command) -> Command {
    command.mut_args(|arg| {
        let takes = arg.get_long().is_some() && arg.get_action().takes_values();
        arg.allow_negative_numbers(takes)
    })
}

/// Prints on standard output, or on standard error if the bytes of a file went to standard output.
fn print(text: &str) -> io::Result<()> {
    if files::stdout_used() {
        let _ = stderr().write_all(text.as_bytes()); // nobody may be listening
        return Ok(());
    }
    stdout().write_all(text.as_bytes())?;
    stdout().flush()
}

fn fail(error: &anyhow::Error) -> ExitCode {
    write_last_line(format!("error: {error:#}\n").as_bytes());
    interrupt::exit_code().map_or(ExitCode::FAILURE, ExitCode::from)
}

/// Reduces clap's message to one line, except the help that it prints if there is no command.
fn usage_error(text: &str) -> String {
    if !text.starts_with("error: ") {
        return text.trim_end().to_owned();
    }
    let what = text.lines().take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more"));
    let words: Vec<&str> = what.map(str::trim).filter(|line| !line.is_empty()).collect();
    format!("{} (see --help)", words.join("; ").replace(":; ", ": "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::number::whole;
    use clap::Subcommand;

    #[derive(Debug, Parser)]
    struct Args {
        #[arg(long, value_parser = ["a", "b"])]
        letter: Option<String>,
        #[arg(long, value_parser = whole(1..=9u32))]
        number: Option<u32>,
        #[command(subcommand)]
        command: Sub,
    }

    #[derive(Debug, Subcommand)]
    enum Sub {
        File {
            #[arg(long)]
            rate: Option<f64>,
            file: String,
        },
    }

    fn arguments(line: &str) -> Result<Args, clap::Error> {
        parse(line.split(' ').map(OsString::from))
    }

    #[test]
    fn a_usage_error_is_one_line() {
        let said = |line: &str| usage_error(&arguments(line).unwrap_err().to_string());
        assert_eq!(
            said("program --letter c file x"),
            "error: invalid value 'c' for '--letter <LETTER>'; [possible values: a, b] (see --help)"
        );
        assert_eq!(
            said("program file"),
            "error: the following required arguments were not provided: <FILE> (see --help)"
        );
        assert!(said("program --lettre a file x").starts_with("error: unexpected argument '--lettre' found; tip: "));
    }

    #[test]
    fn a_negative_number_is_a_value_and_is_named() {
        for number in ["-1", "0", "10", "99999999999999999999", "1.5", "x", "1x"] {
            assert_eq!(
                usage_error(&arguments(&format!("program --number {number} file x")).unwrap_err().to_string()),
                format!(
                    "error: invalid value '{number}' for '--number <NUMBER>': expected a whole number from 1 to 9 (see --help)"
                )
            );
        }
        assert_eq!(arguments("program --number 9 file x").unwrap().number, Some(9));
        let Sub::File { rate, file } = arguments("program file --rate -0.5 x").unwrap().command;
        assert_eq!((rate, file.as_str()), (Some(-0.5), "x"));
        let said = usage_error(&arguments("program file --rate x x").unwrap_err().to_string());
        assert!(said.starts_with("error: invalid value 'x' for '--rate <RATE>': invalid float"), "{said}");
    }
}
