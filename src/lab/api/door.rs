//! The server on a loopback port: behind TLS, for those who show a token of its own.

use super::access::ADMIN;
use super::access::User;
use super::base64;
use super::connection;
use super::object;
use super::server::Shared;
use super::server::lock;
use super::status_error::StatusError;
use super::store::Key;
use super::subresource;
use http::HeaderMap;
use http::header;
use serde_json::Value;
use serde_json::json;
use std::io;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;

/// A port of this host's loopback address; nothing is answered before [`Door::serve`].
pub struct Door {
    shared: Arc<Shared>,
    listener: TcpListener,
    address: SocketAddr,
    acceptor: TlsAcceptor,
    certificate: String,
    token: String,
}

impl Door {
    /// Takes the port (0: any free one), and makes a key and a token that live as long as this.
    ///
    /// # Errors
    /// Where the port is taken.
    pub(super) async fn open(shared: Arc<Shared>, port: u16) -> io::Result<Self> {
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()])
            .map_err(io::Error::other)?;
        let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key.into())
            .map_err(io::Error::other)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        Ok(Self {
            shared,
            address: listener.local_addr()?,
            listener,
            acceptor: TlsAcceptor::from(Arc::new(config)),
            certificate: made.cert.pem(),
            token: format!(
                "{}{}",
                uuid::Uuid::now_v7().simple(),
                uuid::Uuid::now_v7().simple()
            ),
        })
    }

    /// Where it is.
    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// A kubeconfig that leads here, as YAML (JSON is YAML), with the token of an administrator.
    pub fn kubeconfig(&self) -> String {
        let authority = base64::encode(self.certificate.as_bytes());
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "lab", "preferences": {},
            "clusters": [{"name": "lab", "cluster": {"server": self.url(), "certificate-authority-data": authority}}],
            "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": ADMIN}}],
            "users": [{"name": ADMIN, "user": {"token": self.token}}],
        });
        format!("{config:#}\n")
    }

    /// Answers until the listener fails.
    pub async fn serve(self) -> io::Result<()> {
        let keys = Arc::new(Keys { admin: self.token });
        loop {
            let (stream, _) = self.listener.accept().await?;
            let (acceptor, shared, keys) = (
                self.acceptor.clone(),
                Arc::clone(&self.shared),
                Arc::clone(&keys),
            );
            tokio::spawn(async move {
                match acceptor.accept(stream).await {
                    Ok(stream) => connection::connection(shared, stream, Some(keys)).await,
                    Err(error) => tracing::debug!(%error, "no TLS with a client of the lab"),
                }
            });
        }
    }
}

/// What opens the door.
pub(super) struct Keys {
    admin: String,
}

impl Keys {
    /// Who sends these headers.
    pub(super) fn user(&self, shared: &Shared, headers: &HeaderMap) -> Result<User, StatusError> {
        let token = headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "))
            .unwrap_or_default();
        if token == self.admin {
            return Ok(User::named(ADMIN));
        }
        account(shared, token, &[subresource::ISSUER])
            .map(|(user, _, _)| user)
            .ok_or_else(|| StatusError::new(401, "Unauthorized", "Unauthorized"))
    }
}

/// The service account that this token was made for, with its uid and those of the audiences that it is meant for: not
/// expired, the account still the same.
pub(super) fn account(
    shared: &Shared,
    token: &str,
    audiences: &[&str],
) -> Option<(User, String, Vec<String>)> {
    let claims = lock(&shared.tokens).get(token)?.clone();
    let account = &claims["kubernetes.io"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (namespace, name) = (
        text(&account["namespace"]),
        text(&account["serviceaccount"]["name"]),
    );
    let key = Key::new("serviceaccounts", &namespace, &name);
    let uid = text(&account["serviceaccount"]["uid"]);
    let same = shared.state().store.get(&key)?["metadata"]["uid"] == uid.as_str();
    let fresh = claims["exp"].as_i64()? > shared.clock.now().as_second();
    let meant: Vec<String> = object::items(&claims, "aud")
        .map(text)
        .filter(|one| audiences.contains(&one.as_str()))
        .collect();
    let user = User::named(&text(&claims["sub"]));
    (same && fresh && !meant.is_empty()).then_some((user, uid, meant))
}
