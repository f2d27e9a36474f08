//! Dates as pages show them.

use std::{fmt, time::Duration};

use authority::Timestamp;

/// A moment as markup: people read "3 March 2026, 14:05 UTC", machines the
/// attribute. Made of digits and names of months, so nothing in it needs escaping.
#[derive(Clone, Copy)]
pub(crate) struct Moment(pub(crate) Timestamp);

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = jiff::Timestamp::from_second(self.0.as_secs()).unwrap_or_default();
        write!(f, "<time datetime=\"{at}\">{}</time>", at.strftime("%-d %B %Y, %H:%M UTC"))
    }
}

impl askama::filters::HtmlSafe for Moment {}

/// "1 hour", "90 minutes".
pub(crate) fn span(span: Duration) -> String {
    let (many, unit) = match span.as_secs() / 60 {
        minutes if minutes > 0 && minutes % (24 * 60) == 0 => (minutes / (24 * 60), "day"),
        minutes if minutes > 0 && minutes % 60 == 0 => (minutes / 60, "hour"),
        minutes => (minutes, "minute"),
    };
    format!("{many} {unit}{}", if many == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_by_people_and_by_machines() {
        let at = Moment(Timestamp::from_millis(1_772_546_700_123));
        assert_eq!(at.to_string(), "<time datetime=\"2026-03-03T14:05:00Z\">3 March 2026, 14:05 UTC</time>");
    }

    #[test]
    fn spans_are_told_in_the_largest_unit_that_fits() {
        for (minutes, text) in
            [(1, "1 minute"), (60, "1 hour"), (90, "90 minutes"), (120, "2 hours"), (1440, "1 day"), (1500, "25 hours")]
        {
            assert_eq!(span(Duration::from_secs(minutes * 60)), text);
        }
    }

    #[test]
    fn no_date_is_too_far_away_to_be_shown() {
        for millis in [i64::MIN, i64::MAX] {
            assert!(Moment(Timestamp::from_millis(millis)).to_string().starts_with("<time"));
        }
    }
}
