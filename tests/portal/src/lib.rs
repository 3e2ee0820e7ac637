//! Placeholder, replaced by the first real change.
