//! `/debug/connections`: who is connected to an istiod, and since when. 1.5 and 1.6 have no such endpoint.

use jiff::Timestamp;
use serde::Deserialize;

use super::{AnswerError, ProxyId};

/// One connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    /// Whose connection it is.
    pub id: ProxyId,
    /// Since when.
    pub connected_at: Option<Timestamp>,
}

/// Reads the answer. Connections that are not of a proxy (no `POD.NAMESPACE-N`) are left out.
///
/// # Errors
/// Not JSON, or of an unknown shape.
pub fn parse_connections(answer: &str) -> Result<Vec<Connection>, AnswerError> {
    let wire: Wire = serde_json::from_str(answer).map_err(|source| AnswerError::Shape {
        endpoint: "/debug/connections",
        source,
    })?;
    let connections = wire
        .clients
        .unwrap_or_default()
        .into_iter()
        .filter_map(|client| {
            let id = ProxyId::of_connection(&client.connection_id)?;
            Some(Connection {
                id,
                connected_at: client.connected_at.and_then(|at| at.parse().ok()),
            })
        });
    Ok(connections.collect())
}

#[derive(Deserialize)]
struct Wire {
    clients: Option<Vec<WireClient>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireClient {
    connection_id: String,
    connected_at: Option<String>,
}
