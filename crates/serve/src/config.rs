//! Configuration: flags, then environment variables, then a `.env` file in the working directory, then defaults.

use crate::{StartError, exit::single_line, process::print_error};
use clap::{
    Arg, Command, Parser,
    error::{ContextKind, ContextValue, ErrorKind},
};
use std::{ffi::OsString, io::Write, path::Path};

/// What reading the configuration gave.
#[derive(Debug)]
pub enum ParseOutcome<T> {
    /// The configuration.
    Parsed(T),
    /// The text of `--help` or `--version`, to print before ending with success.
    Show(String),
    /// What is wrong, and the fix.
    Refused(StartError),
}

/// The configuration of this process from its flags, its environment and `.env` in the working directory. Call it
/// first in `main`, while there is one thread. A bad value ends the process with one line on standard error and
/// exit code 64; `--help` and `--version` end it with 0.
pub fn parse<T: Parser>() -> T {
    let outcome = match load_env_file(Path::new(".env")) {
        Ok(()) => try_parse_from(std::env::args_os()),
        Err(error) => ParseOutcome::Refused(error),
    };
    match outcome {
        ParseOutcome::Parsed(config) => config,
        ParseOutcome::Show(text) => {
            // A closed pipe is the reader's choice (`--help | head -1`).
            let _ = std::io::stdout().write_all(text.as_bytes());
            std::process::exit(0)
        }
        ParseOutcome::Refused(error) => {
            print_error(&error);
            std::process::exit(i32::from(error.code()))
        }
    }
}

/// Puts the variables of the file at `path` in this process's environment; a variable that is set already keeps
/// its value. That there is no file is fine. Call it while there is one thread.
///
/// # Errors
/// If the file cannot be read, or a line of it is not `NAME=value`. The line is not repeated: it may hold a secret.
pub fn load_env_file(path: &Path) -> Result<(), StartError> {
    match dotenvy::from_path(path) {
        Ok(()) => Ok(()),
        Err(dotenvy::Error::Io(error)) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(dotenvy::Error::Io(error)) => {
            Err(StartError::config(format!("cannot read {}: {error}", path.display())))
        }
        Err(dotenvy::Error::LineParse(part, _)) => Err(StartError::config(format!(
            "{}: line {} is not NAME=value; put a value with spaces, # or $ in single quotes",
            path.display(),
            line_number(path, &part),
        ))),
        Err(error) => Err(StartError::config(format!("{}: {error}", path.display()))),
    }
}

/// The number of the line of the file at `path` that has `part`, counted from 1.
fn line_number(path: &Path, part: &str) -> usize {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let part = part.lines().next().unwrap_or_default();
    text.lines().position(|line| line.contains(part)).map_or(1, |before| before + 1)
}

/// The configuration from `args`, of which the first is the program's name, and from the environment as it is.
pub fn try_parse_from<T, I>(args: I) -> ParseOutcome<T>
where
    T: Parser,
    I: IntoIterator,
    I::Item: Into<OsString> + Clone,
{
    let mut command = T::command();
    let parsed = command
        .try_get_matches_from_mut(args)
        .and_then(|mut matches| T::from_arg_matches_mut(&mut matches).map_err(|e| e.format(&mut command)));
    match parsed {
        Ok(config) => ParseOutcome::Parsed(config),
        Err(error) if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
            ParseOutcome::Show(error.to_string())
        }
        Err(error) => {
            // Only what the arguments led to is built so far, and an argument that is not has no text.
            command.build();
            ParseOutcome::Refused(StartError::usage(explain(&error, &command)))
        }
    }
}

/// clap's error of several lines as one: what is wrong, which variable sets the same, where to read on.
fn explain(error: &clap::Error, command: &Command) -> String {
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        let names: Vec<_> = command.get_subcommands().map(Command::get_name).collect();
        return format!("a command is missing: give one of {}; see --help", names.join(", "));
    }
    let rendered = error.to_string();
    let lines = rendered
        .lines()
        .take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more information"))
        .collect::<Vec<_>>()
        .join(" ");
    let mut text = single_line(lines.strip_prefix("error:").unwrap_or(&lines)).replace(" tip:", "; tip:");

    let named = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(name)) => std::slice::from_ref(name),
        Some(ContextValue::Strings(names)) => names,
        _ => &[],
    };
    let args: Vec<&Arg> = named.iter().filter_map(|name| find(command, name)).collect();
    if let Some(ContextValue::String(value)) = error.get(ContextKind::InvalidValue)
        && !value.is_empty()
        && args.iter().any(|arg| arg.is_hide_env_values_set())
    {
        // Such an argument holds a secret (a key, an URL with a password).
        text = text.replace(&single_line(value), "(hidden)");
    }
    let variables: Vec<_> =
        args.iter().filter_map(|arg| arg.get_env()).map(|name| name.to_string_lossy()).collect();
    if !variables.is_empty() {
        text = format!("{text}; set by the flag or by the variable {}", variables.join(", "));
    }
    format!("{text}; see --help")
}

/// The argument that clap shows as `shown`, of `command` or a command below it.
fn find<'a>(command: &'a Command, shown: &str) -> Option<&'a Arg> {
    command
        .get_arguments()
        .find(|arg| arg.to_string() == shown)
        .or_else(|| command.get_subcommands().find_map(|below| find(below, shown)))
}
