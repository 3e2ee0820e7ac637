//! The REST methods used, by name.

/// A method's name. Bitrix24 does not mind the case.
pub(super) type Method = &'static str;

pub(super) const REGISTER: Method = "telephony.externalcall.register";
pub(super) const SHOW: Method = "telephony.externalcall.show";
pub(super) const HIDE: Method = "telephony.externalcall.hide";
pub(super) const FINISH: Method = "telephony.externalcall.finish";
pub(super) const BATCH: Method = "batch";
pub(super) const ATTACH: Method = "telephony.externalcall.attachrecord";
pub(super) const STATISTICS: Method = "voximplant.statistic.get";
pub(super) const USERS: Method = "user.get";
pub(super) const TIME: Method = "server.time";
pub(super) const PROFILE: Method = "profile";
pub(super) const SCOPE: Method = "scope";
pub(super) const METHOD: Method = "method.get";
pub(super) const LINES: Method = "telephony.externalline.get";
/// The upload of a recording; its address comes from [`ATTACH`].
pub(super) const UPLOAD: Method = "upload";
