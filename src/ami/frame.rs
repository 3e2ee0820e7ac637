//! Bytes of the manager interface into packets of borrowed header lines.
