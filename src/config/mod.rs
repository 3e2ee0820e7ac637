//! The one file of the user.
