//! What was measured: held to the figures, and as a table.

use std::fmt::Write as _;

use crate::{
    capture::product,
    measure::{Count, Measured, Pairs, Row},
};

/// Pairs that are the same program up to what can be seen of them.
const KIN: [(&str, &str); 1] = [("mutt", "neomutt")];

impl Measured {
    /// The figures that the corpus is held to.
    pub(crate) fn hold(&self) {
        for (protocol, row) in &self.rows {
            for (what, count) in [
                ("first run", &row.enrolment),
                ("second run", &row.second_run),
                ("other transport", &row.other_transport),
                ("resumed session", &row.resumed),
            ] {
                assert!(count.refused.is_empty(), "{protocol}, {what}: the app itself is refused: {:?}", count.refused);
            }
            let strangers: Vec<_> = row.strangers.let_in.iter().filter(|pair| !is_kin(pair)).collect();
            if *protocol == "submission" {
                assert!(strangers.len() * 50 <= row.strangers.of, "over 2 %: {strangers:?}");
            } else {
                assert!(strangers.is_empty(), "{protocol}: another app is let in: {strangers:?}");
            }
        }
        let strangers: Vec<_> = self.tied_strangers.let_in.iter().filter(|pair| !is_kin(pair)).collect();
        assert!(strangers.is_empty(), "submission, known from elsewhere: another app is let in: {strangers:?}");
        assert!(self.first_use.refused.is_empty(), "no tie for the app itself: {:?}", self.first_use.refused);
    }

    /// The table, in Markdown.
    pub(crate) fn table(&self) -> String {
        let mut text = String::new();
        let names: Vec<_> = self.rows.keys().collect();
        let _ =
            writeln!(text, "\n| | {} |", names.iter().map(|name| (**name).to_owned()).collect::<Vec<_>>().join(" | "));
        let _ = writeln!(text, "|---|{}", "---|".repeat(names.len()));
        let mut line = |title: &str, cell: &dyn Fn(&Row) -> String| {
            let cells: Vec<String> = self.rows.values().map(cell).collect();
            let _ = writeln!(text, "| {title} | {} |", cells.join(" | "));
        };
        let share = |count: &Count| format!("{}/{}", count.admitted, count.of);
        line("clients", &|row| row.clients.len().to_string());
        line("signatures of one password, at most", &|row| row.signatures.to_string());
        line("same app, first run", &|row| share(&row.enrolment));
        line("same app, second run", &|row| share(&row.second_run));
        line("same app, other transport", &|row| share(&row.other_transport));
        line("same app, resumed TLS session", &|row| share(&row.resumed));
        line("same app, greeting without capabilities", &|row| share(&row.other_greeting));
        line("other version of the app", &|row| {
            format!("{}/{}", row.versions.iter().filter(|(_, _, said)| said.is_ok()).count(), row.versions.len())
        });
        line("another app let in, of ordered pairs", &|row| {
            format!("{}/{}", row.strangers.let_in.len(), row.strangers.of)
        });
        line("... both looked at while the rule was made", &|row| row.strangers.part(false).to_string());
        line("... one of them held out", &|row| row.strangers.part(true).to_string());
        line("... if what it does first were not looked at", &|row| {
            row.strangers_but_for_opening.let_in.len().to_string()
        });
        let pairs = |pairs: &Pairs| format!("{}/{}", pairs.let_in.len(), pairs.of);
        let _ = writeln!(
            text,
            "\nsubmission, the app known from IMAP or HTTP too: another app let in {}",
            pairs(&self.tied_strangers)
        );
        let _ = writeln!(
            text,
            "first use of submission then: the app itself tied {}, another app tied {}",
            share(&self.first_use),
            pairs(&self.first_use_strangers)
        );
        for (protocol, row) in &self.rows {
            for count in [&row.enrolment, &row.second_run, &row.other_transport, &row.resumed, &row.other_greeting] {
                for name in &count.refused {
                    let _ = writeln!(text, "refused, though the same ({protocol}): {name}");
                }
            }
            for (owner, other, said) in &row.versions {
                let said = said.as_ref().map_or_else(String::as_str, |()| "admitted");
                let _ = writeln!(text, "{protocol}: made for {owner}, updated to {other}: {said}");
            }
            for (owner, other) in &row.strangers.let_in {
                let _ = writeln!(text, "{protocol}: made for {owner}, let {other} in");
            }
        }
        for (title, pairs) in [("known from elsewhere", &self.tied_strangers), ("first use", &self.first_use_strangers)]
        {
            for (owner, other) in &pairs.let_in {
                let _ = writeln!(text, "submission, {title}: made for {owner}, let {other} in");
            }
        }
        for name in &self.first_use.refused {
            let _ = writeln!(text, "submission, first use: no tie for {name}");
        }
        text
    }
}

fn is_kin((owner, other): &(String, String)) -> bool {
    let pair = (product(owner), product(other));
    KIN.iter().any(|kin| *kin == pair || *kin == (pair.1, pair.0))
}
