//! Any bytes as a configuration file: told what is wrong, or a configuration whose parts are within their bounds; never
//! a crash, and never a secret in what is told.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ringpost::call::record::Direction;
use ringpost::config::{ConfigError, Content, CrmKind, Surroundings, parse};
use ringpost::limits::{
    CONFIG_FINDINGS, CREDENTIAL_BYTES, CRMS, HOST_BYTES, JOURNAL_KIB_MAX, JOURNAL_KIB_MIN, NUMBER_BYTES,
};
use ringpost::number::rules::Outside;
use std::io;
use std::path::Path;

/// Files beside the configuration hold what the path says.
struct Fixed;

impl Surroundings for Fixed {
    fn host_name(&self) -> String {
        String::from("router")
    }

    fn read(&self, path: &Path, most: u64) -> io::Result<Content> {
        let bytes = path.as_os_str().as_encoded_bytes().to_vec();
        if bytes.len() as u64 > most {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        Ok(Content { bytes, open_to_others: false })
    }
}

fuzz_target!(|input: &[u8]| {
    let loaded = match parse(input, &Fixed) {
        Ok(loaded) => loaded,
        Err(error) => {
            if let ConfigError::Wrong(findings, _) = &error {
                assert!(!findings.is_empty() && findings.len() <= CONFIG_FINDINGS, "{} findings", findings.len());
            }
            assert!(!error.show("ringpost.toml").to_string().is_empty());
            return;
        }
    };
    let config = &loaded.config;
    assert!(!config.pbx.host.is_empty() && config.pbx.host.len() <= HOST_BYTES);
    assert!(!config.pbx.name.is_empty());
    assert!(config.pbx.username.len() <= CREDENTIAL_BYTES && config.pbx.secret.expose().len() <= CREDENTIAL_BYTES);
    assert!((JOURNAL_KIB_MIN..=JOURNAL_KIB_MAX).contains(&config.journal.size_kib));
    assert!(config.journal.path.is_absolute() && config.run.state_dir.is_absolute());
    assert!((1..=CRMS).contains(&config.crm.len()));
    for line in [&config.pbx.username, config.pbx.secret.expose()] {
        assert!(!line.contains(['\r', '\n']), "a line end would reach the manager interface");
    }
    for direction in [Direction::Inbound, Direction::Outbound] {
        let (client, line) = (config.pbx.username.as_str(), config.pbx.host.as_str());
        let (told, _) = config.numbers.judge(Outside { direction, client, line, trunk: &config.pbx.name });
        assert!(told.len() <= NUMBER_BYTES, "{told}");
    }
    for crm in &config.crm {
        let CrmKind::Bitrix24(portal) = &crm.kind else { continue };
        assert!(portal.webhook.expose().starts_with("https://") && portal.webhook.expose().ends_with('/'));
        assert!(!format!("{portal:?}").contains(portal.webhook.expose()), "the webhook is printed");
    }
});
