//! What must outlive the power.
