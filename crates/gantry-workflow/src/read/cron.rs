//! Cron lines as GitHub takes them: five fields, names of months and days, `*`, `,`, `-`, `/`.

struct Field {
    name: &'static str,
    min: u32,
    max: u32,
    names: &'static [&'static str],
}

const MONTHS: &[&str] =
    &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const DAYS: &[&str] = &["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

const FIELDS: [Field; 5] = [
    Field { name: "minute", min: 0, max: 59, names: &[] },
    Field { name: "hour", min: 0, max: 23, names: &[] },
    Field { name: "day of month", min: 1, max: 31, names: &[] },
    Field { name: "month", min: 1, max: 12, names: MONTHS },
    Field { name: "day of week", min: 0, max: 6, names: DAYS },
];

/// Why a cron line is refused; `None` when it is fine.
pub(crate) fn problem(cron: &str) -> Option<String> {
    let parts: Vec<&str> = cron.split(' ').filter(|p| !p.is_empty()).collect();
    if cron.starts_with(' ') || cron.ends_with(' ') {
        return Some("it begins or ends with a space".to_owned());
    }
    if parts.len() != 5 {
        return Some(format!(
            "it has {} fields, and needs five: minute, hour, day of month, month, day of week",
            parts.len()
        ));
    }
    FIELDS.iter().zip(&parts).find(|(field, part)| !field.accepts(part)).map(|(field, part)| {
        format!("`{part}` is not a {} ({} to {})", field.name, field.min, field.max)
    })
}

impl Field {
    fn accepts(&self, part: &str) -> bool {
        part.split(',').all(|p| {
            let (base, step) = match p.split_once('/') {
                Some((b, s)) => (b, Some(s)),
                None => (p, None),
            };
            let step_ok = step.is_none_or(|s| {
                s.parse::<u32>().is_ok_and(|n| n > 0 && n >= self.min && n <= self.max)
            });
            step_ok && self.range(base)
        })
    }

    fn range(&self, text: &str) -> bool {
        if text == "*" {
            return true;
        }
        match text.split_once('-') {
            Some((a, b)) => matches!((self.value(a), self.value(b)), (Some(a), Some(b)) if a <= b),
            None => self.value(text).is_some(),
        }
    }

    fn value(&self, text: &str) -> Option<u32> {
        let lower = text.to_lowercase();
        if let Some(i) = self.names.iter().position(|n| *n == lower) {
            return Some(i as u32 + self.min);
        }
        text.parse().ok().filter(|n| (self.min..=self.max).contains(n))
    }
}

#[cfg(test)]
mod tests {
    use super::problem;

    #[test]
    fn good_lines_pass_and_bad_ones_say_why() {
        for good in [
            "0 0 * * *",
            "*/15 0-5,9 1,15 jan-mar MON",
            "5 4 * * sun",
            "0  3 * * 1-5",
            "30 5 * * 1,3",
        ] {
            assert_eq!(problem(good), None, "{good}");
        }
        for bad in [
            "",
            "0 0 * *",
            "60 * * * *",
            "* 24 * * *",
            "* * 0 * *",
            "* * * 13 *",
            "* * * * 7",
            "a * * * *",
            "*/0 * * * *",
            "5-1 * * * *",
            "1,, * * * *",
            "@daily",
        ] {
            assert!(problem(bad).is_some(), "{bad}");
        }
    }
}
