//! Cron lines as GitHub takes them: five fields, names of months and days, `*`, `,`, `-`, `/`; and when they are due.

use gantry_core::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

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

/// A cron line that was read: the values of each field as bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cron {
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    weekdays: u64,
    /// Whether any day of the month, and any day of the week, will do.
    any: (bool, bool),
}

/// Days that are looked through for the next time: every leap day lies within eight years.
const MAX_DAYS: u32 = 366 * 9;

impl Cron {
    /// Reads a line.
    ///
    /// # Errors
    /// Why it is none, for people.
    pub fn parse(line: &str) -> Result<Self, String> {
        let parts: Vec<&str> = line.split(' ').filter(|p| !p.is_empty()).collect();
        if line.starts_with(' ') || line.ends_with(' ') {
            return Err("it begins or ends with a space".to_owned());
        }
        if parts.len() != 5 {
            return Err(format!(
                "it has {} fields, and needs five: minute, hour, day of month, month, day of week",
                parts.len()
            ));
        }
        let mut bits = [0u64; 5];
        for ((field, part), bits) in FIELDS.iter().zip(&parts).zip(&mut bits) {
            *bits = field.bits(part).ok_or_else(|| {
                format!("`{part}` is not a {} ({} to {})", field.name, field.min, field.max)
            })?;
        }
        let [minutes, hours, days, months, weekdays] = bits;
        let any = (parts[2].starts_with('*'), parts[4].starts_with('*'));
        Ok(Self { minutes, hours, days, months, weekdays, any })
    }

    /// The first time after `after` at which it is due in a time zone; `None` when it never is (30 February).
    ///
    /// Where both days are restricted one of them is enough, as POSIX says. A time that the clocks skip counts as
    /// as much later; of one that they show twice the first counts.
    pub fn next_after(&self, after: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let from = jiff::Timestamp::from_microsecond(after.0).ok()?.to_zoned_datetime(zone.clone());
        let mut date = from.date();
        for _ in 0..MAX_DAYS {
            if self.has_day(date) {
                let due = self.times().filter_map(|(hour, minute)| {
                    let local = date.at(hour, minute, 0, 0);
                    Some(Timestamp(
                        local.to_zoned_datetime(zone.clone()).ok()?.timestamp().as_microsecond(),
                    ))
                });
                let next = due.filter(|at| *at > after).min();
                if next.is_some() {
                    return next;
                }
            }
            date = date.tomorrow().ok()?;
        }
        None
    }

    fn has_day(&self, date: Date) -> bool {
        let has = |bits: u64, n: i8| bits & (1 << n) != 0;
        let day = has(self.days, date.day());
        let weekday = has(self.weekdays, date.weekday().to_sunday_zero_offset());
        let fits = if self.any.0 || self.any.1 { day && weekday } else { day || weekday };
        has(self.months, date.month()) && fits
    }

    fn times(&self) -> impl Iterator<Item = (i8, i8)> {
        let (hours, minutes) = (self.hours, self.minutes);
        let has = |bits: u64, n: &i8| bits & (1 << *n) != 0;
        let hours = (0..24i8).filter(move |h| has(hours, h));
        hours.flat_map(move |h| (0..60i8).filter(move |m| has(minutes, m)).map(move |m| (h, m)))
    }
}

impl Field {
    /// The values of a part as bits; `None` when it is none of this field.
    fn bits(&self, part: &str) -> Option<u64> {
        part.split(',').try_fold(0, |bits, p| Some(bits | self.entry(p)?))
    }

    fn entry(&self, part: &str) -> Option<u64> {
        let (base, step) = match part.split_once('/') {
            Some((b, s)) => (b, Some(s)),
            None => (part, None),
        };
        let step = match step {
            Some(s) => {
                s.parse::<u32>().ok().filter(|n| *n > 0 && (self.min..=self.max).contains(n))?
            }
            None => 1,
        };
        let (first, last) = self.range(base, part.contains('/'))?;
        Some((first..=last).step_by(step as usize).fold(0, |bits, n| bits | (1 << n)))
    }

    /// First and last value; a single one with a step goes on to the end.
    fn range(&self, text: &str, stepped: bool) -> Option<(u32, u32)> {
        if text == "*" {
            return Some((self.min, self.max));
        }
        if let Some((a, b)) = text.split_once('-') {
            return Some((self.value(a)?, self.value(b)?)).filter(|(a, b)| a <= b);
        }
        let value = self.value(text)?;
        Some((value, if stepped { self.max } else { value }))
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
    use super::*;

    #[test]
    fn good_lines_pass_and_bad_ones_say_why() {
        for good in [
            "0 0 * * *",
            "*/15 0-5,9 1,15 jan-mar MON",
            "5 4 * * sun",
            "0  3 * * 1-5",
            "30 5 * * 1,3",
        ] {
            assert!(Cron::parse(good).is_ok(), "{good}");
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
            assert!(Cron::parse(bad).is_err(), "{bad}");
        }
    }

    fn due(line: &str, after: &str, zone: &str) -> String {
        let zone = TimeZone::posix(zone).unwrap();
        let after = Timestamp(after.parse::<jiff::Timestamp>().unwrap().as_microsecond());
        let next = Cron::parse(line).unwrap().next_after(after, &zone);
        next.map_or_else(|| "never".to_owned(), Timestamp::rfc3339)
    }

    #[test]
    fn the_next_time_is_the_first_after_in_the_zone() {
        let berlin = "CET-1CEST,M3.5.0,M10.5.0/3";
        for (line, after, zone, next) in [
            ("0 5 * * *", "2026-01-01T05:00:00Z", "UTC0", "2026-01-02T05:00:00.000Z"),
            ("*/15 * * * *", "2026-01-01T05:00:01Z", "UTC0", "2026-01-01T05:15:00.000Z"),
            ("0 0 29 2 *", "2026-01-01T00:00:00Z", "UTC0", "2028-02-29T00:00:00.000Z"),
            ("0 0 30 2 *", "2026-01-01T00:00:00Z", "UTC0", "never"),
            // One of two restricted days is enough: the 13th, or a Friday (2 January 2026 is one).
            ("0 0 13 * fri", "2026-01-01T00:00:00Z", "UTC0", "2026-01-02T00:00:00.000Z"),
            ("0 0 13 * *", "2026-01-01T00:00:00Z", "UTC0", "2026-01-13T00:00:00.000Z"),
            ("5/20 3 * * *", "2026-01-01T03:05:00Z", "UTC0", "2026-01-01T03:25:00.000Z"),
            ("0 5 * * *", "2026-01-01T00:00:00Z", berlin, "2026-01-01T04:00:00.000Z"),
            ("0 5 * * *", "2026-07-01T00:00:00Z", berlin, "2026-07-01T03:00:00.000Z"),
            // The clocks skip 02:30 on 29 March 2026, and show it twice on 25 October.
            ("30 2 * * *", "2026-03-28T12:00:00Z", berlin, "2026-03-29T01:30:00.000Z"),
            ("30 2 * * *", "2026-10-24T12:00:00Z", berlin, "2026-10-25T00:30:00.000Z"),
            ("30 2 * * *", "2026-10-25T00:30:00Z", berlin, "2026-10-26T01:30:00.000Z"),
        ] {
            assert_eq!(due(line, after, zone), next, "{line} after {after} in {zone}");
        }
    }
}
