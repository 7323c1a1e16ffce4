//! What the programs have in common: arguments in, text out, and one line for whatever goes wrong.

use clap::Parser;
use std::io::{ErrorKind, Write, stderr, stdout};
use std::process::ExitCode;

/// Parses the command line, runs, and prints what comes back.
pub fn main<A: Parser>(run: impl FnOnce(A) -> anyhow::Result<String>) -> ExitCode {
    let args = match A::try_parse() {
        Ok(args) => args,
        Err(error) if error.use_stderr() => {
            let _ = writeln!(stderr(), "{}", usage_error(&error.to_string()));
            return ExitCode::from(2);
        }
        // The help that was asked for.
        Err(error) => {
            let _ = error.print();
            return ExitCode::SUCCESS;
        }
    };
    match run(args).map(|text| stdout().write_all(text.as_bytes()).and_then(|()| stdout().flush())) {
        Ok(Ok(())) => ExitCode::SUCCESS,
        // Whoever reads has seen enough.
        Ok(Err(e)) if e.kind() == ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Ok(Err(e)) => fail(&e.into()),
        Err(e) => fail(&e),
    }
}

fn fail(error: &anyhow::Error) -> ExitCode {
    let _ = writeln!(stderr(), "error: {error:#}");
    ExitCode::FAILURE
}

/// What clap says in a paragraph, in a line. Called without a command, it explains itself at length: that stays.
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
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Args {
        #[arg(long, value_parser = ["a", "b"])]
        letter: String,
        file: String,
    }

    #[test]
    fn a_usage_error_is_one_line() {
        let line = |args: &str| usage_error(&Args::try_parse_from(args.split(' ')).unwrap_err().to_string());
        assert_eq!(
            line("program --letter c x"),
            "error: invalid value 'c' for '--letter <LETTER>'; [possible values: a, b] (see --help)"
        );
        assert_eq!(
            line("program"),
            "error: the following required arguments were not provided: --letter <LETTER>; <FILE> (see --help)"
        );
        assert!(line("program --lettre a x").starts_with("error: unexpected argument '--lettre' found; tip: "));
    }
}
