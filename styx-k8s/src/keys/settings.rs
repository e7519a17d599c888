//! How long keys live, and how many of them an account may need.

use chrono::TimeDelta;

/// What an executor's configuration says about the keys of service accounts. Without it there are no keys.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeySettings {
    /// How long a launch is given the same keys before there are new ones.
    pub rotation: TimeDelta,
    /// How long keys stay at least, from when they were made. They stay longer while a pod uses them.
    pub old_key_lives: TimeDelta,
    /// Whether there is a PKCS #12 file beside the JSON file. Each is a key of its own.
    pub p12: bool,
    /// How many keys IAM allows an account.
    pub key_limit: usize,
    /// What becomes of keys whose making was cut short.
    pub orphans: Orphans,
    /// How much time a launch that was given a secret has to show its pod. No secret is given out that may go within it.
    pub launch_margin: TimeDelta,
    /// How old new keys are before Google takes them everywhere. Until then launches get the old ones, if there are any.
    pub settles_after: TimeDelta,
    /// How old a key is when IAM lists it for certain.
    pub listed_after: TimeDelta,
    /// How long an attempt to make keys lasts at most. A slower one gives up.
    pub attempt_ends_after: TimeDelta,
    /// How old an attempt that left its marker is before what it may have made is looked for.
    pub attempt_judged_after: TimeDelta,
    /// How long what was found out about an account is believed.
    pub believed_for: TimeDelta,
    /// How often the caller collects, for the count of keys.
    pub collected_each: TimeDelta,
}

/// What becomes of keys that an attempt may have made whose answer was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Orphans {
    /// They are deleted, if no more of them are found than the attempt can have made.
    Delete,
    /// They are reported, and somebody deletes them by hand: for accounts whose keys others make as well.
    Report,
}

/// Why settings can't be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeySettingsError {
    /// Keys that change more often than this fill IAM's log and its quota of requests.
    #[error("keys are rotated each {}: at least an hour is needed, in whole seconds", .0)]
    Rotation(TimeDelta),
    /// A launch could be given keys that are about to go.
    #[error("old keys live for {lives}: more than launch_margin ({margin}) is needed")]
    Life {
        /// How long keys live.
        lives: TimeDelta,
        /// How long a launch takes.
        margin: TimeDelta,
    },
    /// The account couldn't hold the keys of regular rotation.
    #[error(
        "a service account needs up to {needed} keys ({sets} sets of {kinds}), and IAM allows {limit}: rotate less often, keep old keys for less time, or leave out p12"
    )]
    TooMany {
        /// How many keys it takes.
        needed: usize,
        /// How many sets of keys there are at once.
        sets: usize,
        /// How many keys make up a set.
        kinds: usize,
        /// How many IAM allows.
        limit: usize,
    },
    /// An attempt would be judged while it lasts, or before IAM lists what it made.
    #[error(
        "attempts end after {ends}, keys are listed after {listed}: attempt_judged_after ({judged}) must be longer than both, and longer than the first by {SKEW} at least"
    )]
    Attempts {
        /// When an attempt has ended.
        ends: TimeDelta,
        /// When keys are listed.
        listed: TimeDelta,
        /// When an attempt is judged.
        judged: TimeDelta,
    },
}

/// How much longer than an attempt what it has sent may take to happen.
pub(super) const SKEW: TimeDelta = TimeDelta::minutes(2);

impl Default for KeySettings {
    /// Daily rotation, and 48 h until an old key goes, as early versions of Styx had it.
    fn default() -> Self {
        Self {
            rotation: TimeDelta::hours(24),
            old_key_lives: TimeDelta::hours(48),
            p12: true,
            key_limit: 10,
            orphans: Orphans::Delete,
            launch_margin: TimeDelta::hours(1),
            settles_after: TimeDelta::seconds(90),
            listed_after: TimeDelta::minutes(10),
            attempt_ends_after: TimeDelta::minutes(5),
            attempt_judged_after: TimeDelta::minutes(15),
            believed_for: TimeDelta::seconds(30),
            collected_each: TimeDelta::minutes(30),
        }
    }
}

impl KeySettings {
    /// The defaults with other times, checked.
    ///
    /// # Errors
    ///
    /// As [`check`](Self::check).
    pub fn new(rotation: TimeDelta, old_key_lives: TimeDelta) -> Result<Self, KeySettingsError> {
        let settings = Self { rotation, old_key_lives, ..Self::default() };
        settings.check()?;
        Ok(settings)
    }

    /// Whether the settings can be.
    ///
    /// # Errors
    ///
    /// The first rule that they break.
    pub fn check(&self) -> Result<(), KeySettingsError> {
        let rotation = self.rotation;
        if rotation < TimeDelta::hours(1) || rotation != TimeDelta::seconds(rotation.num_seconds()) {
            return Err(KeySettingsError::Rotation(rotation));
        }
        if self.old_key_lives <= self.launch_margin {
            return Err(KeySettingsError::Life { lives: self.old_key_lives, margin: self.launch_margin });
        }
        let (ends, listed, judged) = (self.attempt_ends_after, self.listed_after, self.attempt_judged_after);
        if judged <= listed || judged <= ends + SKEW {
            return Err(KeySettingsError::Attempts { ends, listed, judged });
        }
        let (needed, sets, kinds, limit) = (self.keys_needed(), self.sets_at_most(), self.kinds(), self.key_limit);
        if needed > limit {
            return Err(KeySettingsError::TooMany { needed, sets, kinds, limit });
        }
        Ok(())
    }

    /// How many keys make up a set.
    pub fn kinds(&self) -> usize {
        if self.p12 { 2 } else { 1 }
    }

    /// How many keys of an account there are at once, if no pod runs longer than keys live and every attempt succeeds.
    ///
    /// ```
    /// assert_eq!(styx_k8s::keys::KeySettings::default().keys_needed(), 8);
    /// ```
    pub fn keys_needed(&self) -> usize {
        self.sets_at_most() * self.kinds()
    }

    /// How many sets there are at once: the present one, and each of an earlier epoch that was made at its end at the latest.
    fn sets_at_most(&self) -> usize {
        let lives = self.old_key_lives.max(self.launch_margin) + self.collected_each;
        let (lives, rotation) = (lives.num_seconds(), self.rotation.num_seconds().max(1));
        // Whole epochs, rounded up.
        let earlier = (lives + rotation - 1) / rotation;
        usize::try_from(earlier).map_or(usize::MAX, |earlier| earlier.saturating_add(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hours(rotation: i64, lives: i64) -> Result<KeySettings, KeySettingsError> {
        KeySettings::new(TimeDelta::hours(rotation), TimeDelta::hours(lives))
    }

    #[test]
    fn the_times_of_both_generations_of_styx_fit() {
        assert_eq!(hours(24, 48).map(|settings| settings.keys_needed()), Ok(8));
        assert_eq!(hours(7 * 24, 8 * 24).map(|settings| settings.keys_needed()), Ok(6));
    }

    #[test]
    fn what_an_account_cant_hold_is_refused() {
        let too_many = hours(12, 48).map_err(|error| error.to_string());
        let text = "a service account needs up to 12 keys (6 sets of 2), and IAM allows 10: rotate less often, keep old keys for less time, or leave out p12";
        assert_eq!(too_many, Err(text.to_owned()));
        let mut json_only = KeySettings { rotation: TimeDelta::hours(12), ..KeySettings::default() };
        json_only.p12 = false;
        assert_eq!(json_only.check(), Ok(()));
    }

    #[test]
    fn odd_times_are_refused() {
        assert!(matches!(hours(0, 48), Err(KeySettingsError::Rotation(_))));
        assert!(matches!(hours(24, 1), Err(KeySettingsError::Life { .. })));
        let mut settings = KeySettings { listed_after: TimeDelta::hours(1), ..KeySettings::default() };
        assert!(matches!(settings.check(), Err(KeySettingsError::Attempts { .. })));
        settings = KeySettings { attempt_ends_after: TimeDelta::minutes(13), ..KeySettings::default() };
        assert!(matches!(settings.check(), Err(KeySettingsError::Attempts { .. })));
    }
}
