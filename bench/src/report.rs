//! The table at the end, and what is said on the way.

use std::io::Write;

use comfy_table::{CellAlignment, Table, presets::UTF8_FULL_CONDENSED};

use crate::series::Series;

/// What a figure counts.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Unit {
    Micros,
    Millis,
    PerSecond,
    PerCoreSecond,
    MegabytesPerCoreSecond,
    Bytes,
    Kibibytes,
    Times,
    Percent,
}

impl Unit {
    fn show(self, value: f64) -> String {
        let digits = if value >= 1000.0 {
            0
        } else if value >= 100.0 {
            1
        } else {
            2
        };
        match self {
            Self::Micros => format!("{value:.digits$} us"),
            Self::Millis => format!("{value:.digits$} ms"),
            Self::PerSecond => format!("{value:.0} /s"),
            Self::PerCoreSecond => format!("{value:.0} /core-s"),
            Self::MegabytesPerCoreSecond => format!("{value:.0} MB/core-s"),
            Self::Bytes => format!("{value:.0} B"),
            Self::Kibibytes => format!("{value:.1} KiB"),
            Self::Times => format!("{value:.digits$}x"),
            Self::Percent => format!("{:.1} %", value * 100.0),
        }
    }
}

/// What is promised.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Goal {
    AtMost(f64),
    AtLeast(f64),
}

impl Goal {
    fn is_met_by(self, value: f64) -> bool {
        match self {
            Self::AtMost(limit) => value <= limit,
            Self::AtLeast(limit) => value >= limit,
        }
    }

    fn show(self, unit: Unit) -> String {
        match self {
            Self::AtMost(limit) => format!("<= {}", unit.show(limit)),
            Self::AtLeast(limit) => format!(">= {}", unit.show(limit)),
        }
    }
}

/// One line of the table.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    what: String,
    figure: Series,
    unit: Unit,
    goal: Option<Goal>,
    beside: Option<Beside>,
}

#[derive(Clone, Debug)]
struct Beside {
    what: String,
    ratio: Series,
    unit: Unit,
    goal: Option<Goal>,
}

impl Line {
    pub(crate) fn new(what: impl Into<String>, figure: Series, unit: Unit) -> Self {
        Self { what: what.into(), figure, unit, goal: None, beside: None }
    }

    /// What the figure itself is to reach.
    pub(crate) fn promised(self, goal: Goal) -> Self {
        Self { goal: Some(goal), ..self }
    }

    /// Its ratio to something else that was measured in turns with it.
    pub(crate) fn beside(self, what: impl Into<String>, ratio: Series, unit: Unit, goal: Option<Goal>) -> Self {
        Self { beside: Some(Beside { what: what.into(), ratio, unit, goal }), ..self }
    }

    /// The goal of the ratio where there is one; a line has one goal at most.
    fn judged(&self) -> Option<(Goal, Unit, &Series)> {
        let of_ratio = self.beside.as_ref().and_then(|beside| Some((beside.goal?, beside.unit, &beside.ratio)));
        of_ratio.or(self.goal.map(|goal| (goal, self.unit, &self.figure)))
    }

    fn cells(&self) -> [String; 6] {
        let judged = self.judged();
        let range = |series: &Series, unit: Unit| format!("{} .. {}", unit.show(series.min()), unit.show(series.max()));
        let ratio = self
            .beside
            .as_ref()
            .map_or(String::new(), |beside| format!("{} {}", beside.unit.show(beside.ratio.median()), beside.what));
        let ranged = match (judged, &self.beside) {
            (Some((_, unit, series)), _) => range(series, unit),
            (None, Some(beside)) => range(&beside.ratio, beside.unit),
            (None, None) => range(&self.figure, self.unit),
        };
        let verdict = match judged {
            Some((goal, _, series)) if goal.is_met_by(series.median()) => "met",
            Some(_) => "NOT met",
            None => "",
        };
        [
            self.what.clone(),
            judged.map_or(String::new(), |(goal, unit, _)| goal.show(unit)),
            self.unit.show(self.figure.median()),
            ratio,
            ranged,
            verdict.into(),
        ]
    }
}

/// Shows the table on standard output.
pub(crate) fn show(lines: &[Line]) {
    if lines.is_empty() {
        return;
    }
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED);
    table.set_header(["what", "to reach", "figure", "ratio", "range", ""]);
    lines.iter().for_each(|line| {
        table.add_row(line.cells());
    });
    for numbers in [2, 4] {
        if let Some(column) = table.column_mut(numbers) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let _ = writeln!(std::io::stdout(), "{table}");
}

/// A line on standard error: what is going on, for people who wait.
pub(crate) fn tell(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ratio_is_judged_where_it_has_a_goal() {
        let line = Line::new("logins", [300.0].into_iter().collect(), Unit::PerCoreSecond).beside(
            "haproxy",
            [1.4].into_iter().collect(),
            Unit::Times,
            Some(Goal::AtLeast(1.5)),
        );
        assert_eq!(line.cells()[1], ">= 1.50x");
        assert_eq!(line.cells()[5], "NOT met");
    }

    #[test]
    fn a_figure_may_be_judged_by_itself() {
        let figure: Series = [1.5, 1.7, 1.9].into_iter().collect();
        let line = Line::new("decision", figure, Unit::Micros).promised(Goal::AtMost(2.0));
        assert_eq!(line.cells()[4..], ["1.50 us .. 1.90 us", "met"]);
    }
}
