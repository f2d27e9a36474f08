//! What people see in a terminal: tables for lists, lines for single things,
//! colour only where somebody looks.

use std::io::IsTerminal;

use authority::Timestamp;
use comfy_table::{ContentArrangement, Table, presets};
use serde_json::Value;

/// RFC 3339, in UTC, to the second.
pub(crate) fn date(at: Timestamp) -> String {
    jiff::Timestamp::from_second(at.as_secs()).map_or_else(|_| at.as_secs().to_string(), |at| at.to_string())
}

/// True if somebody looks at standard output and has not asked for plain text.
pub(crate) fn colour() -> bool {
    std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Prints an answer: as JSON for programs, else for people.
pub(crate) fn print(answer: &Value, json: bool, columns: &[&str]) {
    let text = if json {
        answer.to_string()
    } else if let Value::Array(rows) = answer {
        table(rows, columns)
    } else {
        lines(answer)
    };
    line(&text);
}

/// A line on standard output. A reader that has gone, `| head`, is no failure.
pub(crate) fn line(text: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stdout(), "{text}");
}

fn table(rows: &[Value], columns: &[&str]) -> String {
    if rows.is_empty() {
        return "none".to_owned();
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    let heading = |name: &&str| {
        // The name of an app stands for it: what is typed is in `--json`.
        let cell = comfy_table::Cell::new(name.trim_end_matches("_name").replace('_', " ").to_uppercase());
        if colour() { cell.add_attribute(comfy_table::Attribute::Bold) } else { cell }
    };
    table.set_header(columns.iter().map(heading));
    for row in rows {
        table.add_row(columns.iter().map(|name| coloured(&row[*name])));
    }
    table.trim_fmt()
}

/// A verdict of doctor's stands out.
fn coloured(value: &Value) -> comfy_table::Cell {
    let text = comfy_table::Cell::new(cell(value));
    match value.as_str() {
        Some("warn") if colour() => text.fg(comfy_table::Color::Yellow),
        Some("fail") if colour() => text.fg(comfy_table::Color::Red),
        _ => text,
    }
}

fn lines(answer: &Value) -> String {
    let Value::Object(fields) = answer else { return cell(answer) };
    let width = fields.keys().map(String::len).max().unwrap_or(0);
    let field = |(name, value): (&String, &Value)| match value {
        Value::Array(rows) if rows.iter().any(Value::is_object) => {
            let columns: Vec<&str> = rows.iter().filter_map(Value::as_object).flat_map(|row| row.keys()).fold(
                Vec::new(),
                |mut seen, name| {
                    if !seen.contains(&name.as_str()) {
                        seen.push(name);
                    }
                    seen
                },
            );
            format!("{}:\n{}", name.replace('_', " "), table(rows, &columns))
        }
        // Sentences, one a line.
        Value::Array(rows) if rows.iter().any(|row| row.as_str().is_some_and(|text| text.ends_with('.'))) => {
            let sentences: Vec<String> = rows.iter().map(cell).collect();
            format!("{:width$}  {}", name.replace('_', " "), sentences.join(&format!("\n{:width$}  ", "")))
        }
        value => format!("{:width$}  {}", name.replace('_', " "), cell(value)),
    };
    fields.iter().map(field).collect::<Vec<_>>().join("\n")
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::String(text) if text.is_empty() => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(values) if values.is_empty() => "-".to_owned(),
        Value::Array(values) => values.iter().map(cell).collect::<Vec<_>>().join(", "),
        // "imap 2026-03-03T14:05:00Z 192.0.2.7"
        Value::Object(fields) => fields.values().map(cell).collect::<Vec<_>>().join(" "),
        number @ Value::Number(_) => number.to_string(),
    }
}
