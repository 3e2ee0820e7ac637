//! Cargo's version in the spellings of three package managers.
//!
//! A release candidate has to sort before its release everywhere, and each manager has its own sign for that: opkg and
//! dpkg sort `~` before the end of the text, apk knows the suffix `_rc` and refuses a `~` that is not followed by a
//! commit. The hyphen that Cargo uses would sort after the release in the one and be invalid in the other.

/// The release of the package itself, for a version that is packed again without a change of the program.
const RELEASE: u32 = 1;

/// A version: numbers, and perhaps a word for what comes before the release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    numbers: String,
    before: Option<String>,
}

impl Version {
    /// Cargo's version, if all package managers have a spelling for it: three numbers, and perhaps `-alpha`, `-beta`,
    /// `-pre` or `-rc` with a number right behind.
    pub fn parse(text: &str) -> Option<Self> {
        let (numbers, before) = text.split_once('-').map_or((text, None), |(numbers, before)| (numbers, Some(before)));
        let number = |part: &str| {
            !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()) && (part == "0" || !part.starts_with('0'))
        };
        let well = numbers.split('.').count() == 3
            && numbers.split('.').all(number)
            && before.is_none_or(|before| {
                ["alpha", "beta", "pre", "rc"].iter().any(|word| before.strip_prefix(word).is_some_and(number))
            });
        well.then(|| Self { numbers: numbers.to_owned(), before: before.map(str::to_owned) })
    }

    /// As Cargo writes it.
    pub fn cargo(&self) -> String {
        self.spelled("-")
    }

    /// For opkg: `0.2.0~rc1-r1`.
    pub fn ipk(&self) -> String {
        format!("{}-r{RELEASE}", self.spelled("~"))
    }

    /// For apk: `0.2.0_rc1-r1`.
    pub fn apk(&self) -> String {
        format!("{}-r{RELEASE}", self.spelled("_"))
    }

    /// For dpkg: `0.2.0~rc1-1`.
    pub fn deb(&self) -> String {
        format!("{}-{RELEASE}", self.spelled("~"))
    }

    fn spelled(&self, sign: &str) -> String {
        match &self.before {
            Some(before) => format!("{}{sign}{before}", self.numbers),
            None => self.numbers.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Version;

    #[test]
    fn each_manager_has_its_spelling() {
        let of = |text| Version::parse(text).map(|v| [v.cargo(), v.ipk(), v.apk(), v.deb()]);
        assert_eq!(of("0.1.0"), Some(["0.1.0", "0.1.0-r1", "0.1.0-r1", "0.1.0-1"].map(str::to_owned)));
        assert_eq!(
            of("0.2.0-rc1"),
            Some(["0.2.0-rc1", "0.2.0~rc1-r1", "0.2.0_rc1-r1", "0.2.0~rc1-1"].map(str::to_owned))
        );
        assert_eq!(
            of("10.20.30-beta2"),
            Some(["10.20.30-beta2", "10.20.30~beta2-r1", "10.20.30_beta2-r1", "10.20.30~beta2-1"].map(str::to_owned))
        );
    }

    #[test]
    fn a_version_that_one_of_them_would_refuse_is_refused_here() {
        for text in [
            "",
            "1",
            "1.2",
            "1.2.3.4",
            "v1.2.3",
            "1.2.3-",
            "1.2.3-rc",
            "1.2.3-rc.1",
            "1.2.3-dev1",
            "1.2.3+git",
            "1.02.3",
            "1.2.3 ",
        ] {
            assert_eq!(Version::parse(text), None, "{text}");
        }
    }
}
