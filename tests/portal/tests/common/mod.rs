//! A client for the portal's own tests: ureq over TLS with the portal's CA, and nothing lenient.
#![allow(dead_code, missing_docs, clippy::expect_used, reason = "each test file uses a part of this helper")]

use std::sync::Arc;
use std::time::Duration;

use portal::{Portal, PortalConfig, Value};
use ureq::Agent;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

/// How long a test waits for what must come.
pub const SOON: Duration = Duration::from_secs(10);

/// A portal and a client of its webhook.
pub struct Bench {
    pub portal: Portal,
    pub agent: Agent,
}

/// Status and body of an answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub body: Value,
}

impl Answer {
    pub fn result(&self) -> &Value {
        assert!(self.body.field("error").is_none(), "unexpected error: {}", self.body);
        self.body.field("result").unwrap_or_else(|| panic!("no result: {}", self.body))
    }

    /// `error` and `error_description`.
    pub fn error(&self) -> (String, String) {
        let error = self.body.field("error").unwrap_or_else(|| panic!("no error: {}", self.body));
        (error.to_text(), self.body.at("error_description").to_text())
    }
}

impl Bench {
    pub fn new() -> Self {
        Self::with(|_| ())
    }

    pub fn with(change: impl FnOnce(&mut PortalConfig)) -> Self {
        let mut config = PortalConfig { rate_limit: None, ..PortalConfig::default() };
        change(&mut config);
        let portal = Portal::start(config).expect("the portal starts");
        let agent = agent(&portal, SOON);
        Self { portal, agent }
    }

    /// Calls a method with a JSON body.
    pub fn call(&self, method: &str, params: &str) -> Answer {
        self.try_call(method, params).expect("an answer")
    }

    pub fn try_call(&self, method: &str, params: &str) -> Result<Answer, ureq::Error> {
        self.post(&format!("{}{method}", self.portal.webhook_url()), "application/json", params)
    }

    /// Calls a method with a form.
    pub fn form(&self, method: &str, form: &str) -> Answer {
        let url = format!("{}{method}", self.portal.webhook_url());
        self.post(&url, "application/x-www-form-urlencoded", form).expect("an answer")
    }

    pub fn post(&self, url: &str, content_type: &str, body: impl ureq::AsSendBody) -> Result<Answer, ureq::Error> {
        let mut response = self.agent.post(url).header("Content-Type", content_type).send(body)?;
        let text = response.body_mut().read_to_string()?;
        let body = Value::from_json(text.as_bytes()).unwrap_or(Value::Str(text));
        Ok(Answer { status: response.status().as_u16(), body })
    }

    /// Registers an ordinary inbound call and returns its `CALL_ID`.
    pub fn register(&self, external_id: &str) -> String {
        let params = format!(
            r#"{{"USER_ID":11,"PHONE_NUMBER":"+79161234567","TYPE":2,"LINE_NUMBER":"74951112233","EXTERNAL_CALL_ID":"{external_id}"}}"#
        );
        self.call("telephony.externalCall.register", &params).result().at("CALL_ID").to_text()
    }

    /// Finishes it.
    pub fn finish(&self, call_id: &str) -> Answer {
        let params =
            format!(r#"{{"CALL_ID":"{call_id}","USER_ID":11,"DURATION":42,"STATUS_CODE":"200","ADD_TO_CHAT":1}}"#);
        self.call("telephony.externalCall.finish", &params)
    }
}

/// A client that trusts the portal's CA, follows no redirect and takes errors as answers.
pub fn agent(portal: &Portal, timeout: Duration) -> Agent {
    let ca = Certificate::from_pem(portal.ca_pem().as_bytes()).expect("a certificate");
    let tls = TlsConfig::builder()
        .root_certs(RootCerts::Specific(Arc::new(vec![ca])))
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .build();
    Agent::config_builder()
        .tls_config(tls)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .http_status_as_error(false)
        .timeout_global(Some(timeout))
        .build()
        .into()
}
