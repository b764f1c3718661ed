//! From a kubeconfig, a pod's service account, or a service in the process, to a client.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use kube::client::{Body, ClientBuilder};
use kube::config::{Config, KubeConfigOptions, Kubeconfig, KubeconfigError};
use tower::{BoxError, Service};

use super::error::{ClusterError, ErrorClass, innermost};
use super::guard::{Guard, Requests};
use super::kinds::Kinds;
use super::overlay::Overlay;
use super::{Cluster, ObjectRef};

/// The longest that a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(10);
/// The longest silence on a connection; watches break off before by themselves.
const READ: Duration = Duration::from_secs(90);

/// Which cluster, as whom, for what.
#[derive(Debug, Clone, Default)]
pub struct ConnectOptions {
    /// The kubeconfig file; else `$KUBECONFIG`, `~/.kube/config`, and the pod's service account.
    pub kubeconfig: Option<PathBuf>,
    /// The context in it; else its current one.
    pub context: Option<String>,
    /// The user to impersonate.
    pub impersonate: Option<String>,
    /// Let nothing through that changes the cluster, and predict instead.
    pub dry_run: bool,
}

impl Cluster {
    /// Connects, without asking anything yet.
    ///
    /// # Errors
    /// [`ErrorClass::Unreachable`], with the file and context that are wrong.
    pub async fn connect(options: &ConnectOptions) -> Result<Self, ClusterError> {
        let (mut config, context) = config(options).await?;
        // kube's own retries are silent and last for minutes; the engine's are journalled.
        config.default_retry = false;
        config.connect_timeout = Some(CONNECT);
        config.read_timeout = Some(READ);
        config.write_timeout = Some(READ);
        // Else the time for which a connection lay idle counts as silence.
        config.reset_reader_on_write = true;
        if options.impersonate.is_some() {
            config
                .auth_info
                .impersonate
                .clone_from(&options.impersonate);
        }
        let agent = http::HeaderValue::from_static(user_agent(options.dry_run));
        config.headers.push((http::header::USER_AGENT, agent));
        let server = config.cluster_url.to_string();
        let requests = Requests::default();
        let client = ClientBuilder::try_from(config)
            .map_err(|error| ClusterError::new(ErrorClass::Unreachable, innermost(&error)))?
            .with_layer(&Guard::new(options.dry_run, requests.clone()))
            .build();
        Ok(Self {
            client,
            kinds: Arc::new(Kinds::default()),
            overlay: options.dry_run.then(|| Arc::new(Overlay::default())),
            requests,
            context,
            server,
            identity: None,
            forwards: Arc::default(),
            cache: Some(Arc::default()),
            patience: None,
        })
    }

    /// Asks the cluster which one it is: the UID of its namespace `kube-system`. Where that may not be read, it is unknown.
    pub async fn identify(&mut self) {
        let object = ObjectRef::cluster("v1", "Namespace", "kube-system");
        let found = self.get(&object).await.ok().flatten();
        let uid = found.and_then(|it| it.value()["metadata"]["uid"].as_str().map(str::to_owned));
        self.identity = uid;
    }

    /// A cluster behind a service in this process.
    pub fn from_service<S, B>(service: S, dry_run: bool) -> Self
    where
        S: Service<http::Request<Body>, Response = http::Response<B>> + Send + 'static,
        S::Future: Send + 'static,
        S::Error: Into<BoxError>,
        B: hyper::body::Body<Data = hyper::body::Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let requests = Requests::default();
        let client = ClientBuilder::new(service, "default")
            .with_layer(&Guard::new(dry_run, requests.clone()))
            .build();
        Self {
            client,
            kinds: Arc::new(Kinds::default()),
            overlay: dry_run.then(|| Arc::new(Overlay::default())),
            requests,
            context: None,
            server: "in-process".to_owned(),
            identity: None,
            forwards: Arc::default(),
            cache: Some(Arc::default()),
            patience: None,
        }
    }
}

/// The name under which requests are made: a dry run's own, so that an audit log can tell.
fn user_agent(dry_run: bool) -> &'static str {
    if dry_run {
        concat!("plan-dry-run/", env!("CARGO_PKG_VERSION"))
    } else {
        concat!("plan/", env!("CARGO_PKG_VERSION"))
    }
}

async fn config(options: &ConnectOptions) -> Result<(Config, Option<String>), ClusterError> {
    let file = match &options.kubeconfig {
        Some(path) => Kubeconfig::read_from(path),
        None => Kubeconfig::read(),
    };
    let file = match file {
        Ok(file) => file,
        // Without a kubeconfig, and without having named one, the pod's own account is left.
        Err(error)
            if options.kubeconfig.is_none() && options.context.is_none() && is_absent(&error) =>
        {
            return Config::incluster().map(|config| (config, None)).map_err(|_| {
                unreadable(&error).help("set KUBECONFIG or --kubeconfig; `--lab` and `plan validate` need no cluster")
            });
        }
        Err(error) => return Err(unreadable(&error)),
    };
    let context = options
        .context
        .clone()
        .or_else(|| file.current_context.clone());
    let names: Vec<String> = file.contexts.iter().map(|c| c.name.clone()).collect();
    let wanted = KubeConfigOptions {
        context: context.clone(),
        ..KubeConfigOptions::default()
    };
    match Config::from_custom_kubeconfig(file, &wanted).await {
        Ok(config) => Ok((config, context)),
        Err(error) => {
            let name = context.unwrap_or_else(|| "(none)".to_owned());
            Err(ClusterError::new(
                ErrorClass::Unreachable,
                format!("context {name}: {}", innermost(&error)),
            )
            .help(format!(
                "the kubeconfig has these contexts: {}",
                names.join(", ")
            )))
        }
    }
}

/// Whether there is no kubeconfig, rather than a bad one.
fn is_absent(error: &KubeconfigError) -> bool {
    match error {
        KubeconfigError::FindPath => true,
        KubeconfigError::ReadConfig(source, _) => source.kind() == std::io::ErrorKind::NotFound,
        _ => false,
    }
}

fn unreadable(error: &KubeconfigError) -> ClusterError {
    let message = match error {
        KubeconfigError::ReadConfig(source, path) => {
            format!("cannot read the kubeconfig {}: {source}", path.display())
        }
        other => format!("cannot read the kubeconfig: {}", innermost(other)),
    };
    ClusterError::new(ErrorClass::Unreachable, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn connect(text: &str, context: Option<&str>) -> Result<Cluster, ClusterError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs_err::write(file.path(), text).unwrap();
        let options = ConnectOptions {
            kubeconfig: Some(file.path().to_owned()),
            context: context.map(str::to_owned),
            ..ConnectOptions::default()
        };
        Cluster::connect(&options).await
    }

    const CONFIG: &str = "
apiVersion: v1
kind: Config
current-context: one
contexts: [{name: one, context: {cluster: c, user: u}}, {name: two, context: {cluster: gone}}]
clusters: [{name: c, cluster: {server: 'http://127.0.0.1:1'}}]
users: [{name: u, user: {token: t}}]
";

    #[tokio::test]
    async fn what_is_wrong_with_a_kubeconfig_is_named() {
        let cluster = connect(CONFIG, None).await.unwrap();
        assert_eq!(cluster.context(), Some("one"));
        let error = cluster.server_version().await.unwrap_err();
        assert!(error.message.contains("Connection refused"), "{error}");

        let error = connect(CONFIG, Some("three")).await.unwrap_err();
        assert_eq!(
            error.help.as_deref(),
            Some("the kubeconfig has these contexts: one, two")
        );
        assert!(
            connect(CONFIG, Some("two"))
                .await
                .unwrap_err()
                .message
                .contains("gone")
        );
        let error = connect("{", None).await.unwrap_err();
        assert!(
            error.message.starts_with("cannot read the kubeconfig: "),
            "{error}"
        );

        let options = ConnectOptions {
            kubeconfig: Some("/nowhere/config".into()),
            ..ConnectOptions::default()
        };
        let error = Cluster::connect(&options).await.unwrap_err();
        assert!(
            error
                .message
                .starts_with("cannot read the kubeconfig /nowhere/config: No such file"),
            "{error}"
        );
    }
}
