//! Bitrix24: telephony by incoming webhook.
