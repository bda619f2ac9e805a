//! DNS messages (RFC 1035, RFC 6891): the question we send, and what an answer says. Pure.

use std::net::IpAddr;
use std::time::Duration;

use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::{DNSClass, Name, RData, RecordType};

/// What fits in a datagram on every path (DNS flag day 2020), and in the tunnel's datagrams.
const UDP_PAYLOAD: u16 = 1232;

/// The longest chain of aliases that is followed.
pub(crate) const MAX_ALIASES: usize = 8;

/// Whether the question offers larger datagrams by EDNS. Some old resolvers fail on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extension {
    /// With an OPT record.
    Edns,
    /// As in 1987.
    Plain,
}

/// What an answer says about one name and type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reply {
    /// Addresses, and how long they hold.
    Addresses { addresses: Vec<IpAddr>, ttl: Duration },
    /// The name is an alias of another, and the answer has no addresses for that.
    Alias { target: Name, ttl: Duration },
    /// The name exists and has no address of this type; with an SOA, how long that holds (RFC 2308).
    NoData { ttl: Option<Duration> },
    /// The name does not exist; with an SOA, how long that holds (RFC 2308).
    NxDomain { ttl: Option<Duration> },
    /// The answer did not fit: ask again over TCP.
    Truncated,
    /// The resolver failed or refused.
    Failed(ResponseCode),
}

/// Why bytes are no answer to the question.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unusable {
    #[error("it is not a DNS message ({0})")]
    Garbage(String),
    #[error("it answers another question")]
    OtherQuestion,
    #[error("it is a question and not an answer")]
    NotAResponse,
    #[error("its aliases lead in a circle")]
    AliasLoop,
    #[error("it is truncated although it came over TCP")]
    TruncatedOverTcp,
}

/// The name as a question: absolute, whether or not it ends in a dot. No search list applies in a private network.
pub(crate) fn parse_name(name: &str) -> Result<Name, String> {
    let mut parsed = Name::from_utf8(name).map_err(|error| error.to_string())?;
    parsed.set_fqdn(true);
    Ok(parsed.to_lowercase())
}

/// A question in wire format.
pub(crate) fn encode(id: u16, name: &Name, kind: RecordType, extension: Extension) -> Result<Vec<u8>, String> {
    let mut message = Message::new(id, MessageType::Query, OpCode::Query);
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(name.clone(), kind));
    if extension == Extension::Edns {
        let mut edns = Edns::new();
        edns.set_max_payload(UDP_PAYLOAD);
        message.set_edns(edns);
    }
    message.to_vec().map_err(|error| error.to_string())
}

/// Reads an answer to the question that [`encode`] made of the same `id`, `name` and `kind`.
pub(crate) fn decode(bytes: &[u8], id: u16, name: &Name, kind: RecordType) -> Result<Reply, Unusable> {
    let message = Message::from_vec(bytes).map_err(|error| Unusable::Garbage(error.to_string()))?;
    if message.metadata.message_type != MessageType::Response {
        return Err(Unusable::NotAResponse);
    }
    let asked = |query: &Query| query.name.to_lowercase() == *name && query.query_type == kind;
    // Resolvers that fail early may leave the question out.
    let question_is_ours = message
        .queries
        .first()
        .map_or(!matches!(message.metadata.response_code, ResponseCode::NoError | ResponseCode::NXDomain), asked);
    if message.metadata.id != id || !question_is_ours {
        return Err(Unusable::OtherQuestion);
    }
    if message.metadata.truncation {
        return Ok(Reply::Truncated);
    }
    match message.metadata.response_code {
        ResponseCode::NoError => {}
        ResponseCode::NXDomain => return Ok(Reply::NxDomain { ttl: negative_ttl(&message) }),
        code => return Ok(Reply::Failed(code)),
    }

    let mut owner = name.clone();
    let mut ttl = u32::MAX;
    for _ in 0..=MAX_ALIASES {
        let records = message
            .answers
            .iter()
            .filter(|record| record.dns_class == DNSClass::IN && record.name.to_lowercase() == owner);
        let mut addresses = Vec::new();
        let mut alias = None;
        for record in records {
            match &record.data {
                RData::A(address) if kind == RecordType::A => addresses.push(IpAddr::V4(address.0)),
                RData::AAAA(address) if kind == RecordType::AAAA => addresses.push(IpAddr::V6(address.0)),
                RData::CNAME(target) => alias = Some(target.0.to_lowercase()),
                _ => continue,
            }
            ttl = ttl.min(record.ttl);
        }
        if !addresses.is_empty() {
            return Ok(Reply::Addresses { addresses, ttl: Duration::from_secs(ttl.into()) });
        }
        match alias {
            Some(target) => owner = target,
            // An SOA says that the alias's target has no such address; without it the resolver just did not follow.
            None if owner == *name || negative_ttl(&message).is_some() => {
                return Ok(Reply::NoData { ttl: negative_ttl(&message) });
            }
            None => return Ok(Reply::Alias { target: owner, ttl: Duration::from_secs(ttl.into()) }),
        }
    }
    Err(Unusable::AliasLoop)
}

/// How long a negative answer holds: the lesser of the SOA's TTL and its MINIMUM field (RFC 2308 section 5).
fn negative_ttl(message: &Message) -> Option<Duration> {
    message.authorities.iter().find_map(|record| match &record.data {
        RData::SOA(soa) => Some(Duration::from_secs(record.ttl.min(soa.minimum).into())),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use hickory_proto::rr::Record;
    use hickory_proto::rr::rdata::{A, AAAA, CNAME, SOA};

    use super::*;

    fn name(text: &str) -> Name {
        parse_name(text).unwrap()
    }

    fn answer(code: ResponseCode, answers: Vec<Record>, authorities: Vec<Record>) -> Vec<u8> {
        let mut message = Message::response(7, OpCode::Query);
        message.metadata.response_code = code;
        message.add_query(Query::query(name("Api.Internal"), RecordType::A));
        message.add_answers(answers).add_authorities(authorities);
        message.to_vec().unwrap()
    }

    fn read(bytes: &[u8]) -> Result<Reply, Unusable> {
        decode(bytes, 7, &name("api.internal"), RecordType::A)
    }

    fn a(owner: &str, ttl: u32, last: u8) -> Record {
        Record::from_rdata(name(owner), ttl, RData::A(A([10, 0, 0, last].into())))
    }

    fn cname(owner: &str, ttl: u32, target: &str) -> Record {
        Record::from_rdata(name(owner), ttl, RData::CNAME(CNAME(name(target))))
    }

    fn soa(ttl: u32, minimum: u32) -> Record {
        let soa = SOA::new(name("ns.internal"), name("admin.internal"), 1, 2, 3, 4, minimum);
        Record::from_rdata(name("internal"), ttl, RData::SOA(soa))
    }

    #[test]
    fn the_question_is_recursive_with_room_for_the_answer() {
        let bytes = encode(7, &name("api.internal"), RecordType::AAAA, Extension::Edns).unwrap();
        let message = Message::from_vec(&bytes).unwrap();
        assert!(message.metadata.recursion_desired);
        assert_eq!(message.queries[0], Query::query(name("api.internal."), RecordType::AAAA));
        assert_eq!(message.edns.unwrap().max_payload(), 1232);
        let plain = encode(7, &name("api.internal"), RecordType::A, Extension::Plain).unwrap();
        assert!(Message::from_vec(&plain).unwrap().edns.is_none());
    }

    #[test]
    fn follows_aliases_with_the_least_ttl() {
        let bytes = answer(
            ResponseCode::NoError,
            vec![
                cname("api.internal", 300, "B.internal"),
                cname("b.internal", 20, "c.internal"),
                a("c.internal", 60, 1),
                a("c.internal", 60, 2),
                a("other.internal", 1, 9),
            ],
            vec![],
        );
        assert_eq!(
            read(&bytes),
            Ok(Reply::Addresses {
                addresses: vec!["10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap()],
                ttl: Duration::from_secs(20)
            })
        );
        let bytes = answer(ResponseCode::NoError, vec![cname("api.internal", 30, "b.internal")], vec![]);
        assert_eq!(read(&bytes), Ok(Reply::Alias { target: name("b.internal"), ttl: Duration::from_secs(30) }));
        let around = vec![cname("api.internal", 30, "b.internal"), cname("b.internal", 30, "api.internal")];
        assert_eq!(read(&answer(ResponseCode::NoError, around, vec![])), Err(Unusable::AliasLoop));
    }

    #[test]
    fn negative_answers_hold_as_long_as_the_soa_says() {
        assert_eq!(
            read(&answer(ResponseCode::NXDomain, vec![], vec![soa(60, 30)])),
            Ok(Reply::NxDomain { ttl: Some(Duration::from_secs(30)) })
        );
        assert_eq!(read(&answer(ResponseCode::NXDomain, vec![], vec![])), Ok(Reply::NxDomain { ttl: None }));
        let aliased = vec![cname("api.internal", 300, "b.internal")];
        assert_eq!(
            read(&answer(ResponseCode::NoError, aliased, vec![soa(5, 30)])),
            Ok(Reply::NoData { ttl: Some(Duration::from_secs(5)) })
        );
        let wrong_type =
            Record::from_rdata(name("api.internal"), 1, RData::AAAA(AAAA([0, 0, 0, 0, 0, 0, 0, 1].into())));
        assert_eq!(read(&answer(ResponseCode::NoError, vec![wrong_type], vec![])), Ok(Reply::NoData { ttl: None }));
    }

    #[test]
    fn failures_keep_their_code() {
        for code in [ResponseCode::ServFail, ResponseCode::Refused, ResponseCode::FormErr] {
            assert_eq!(read(&answer(code, vec![], vec![])), Ok(Reply::Failed(code)));
        }
    }

    #[test]
    fn what_is_no_answer_is_unusable() {
        assert!(matches!(read(b""), Err(Unusable::Garbage(_))));
        assert!(matches!(read(&[0; 5]), Err(Unusable::Garbage(_))));
        let question = encode(7, &name("api.internal"), RecordType::A, Extension::Plain).unwrap();
        assert_eq!(read(&question), Err(Unusable::NotAResponse));
        let mut other_id = answer(ResponseCode::NoError, vec![], vec![]);
        other_id[0] = 99;
        assert_eq!(read(&other_id), Err(Unusable::OtherQuestion));
        let ours = answer(ResponseCode::NoError, vec![], vec![]);
        assert_eq!(decode(&ours, 7, &name("x.internal"), RecordType::A), Err(Unusable::OtherQuestion));
        assert_eq!(decode(&ours, 7, &name("api.internal"), RecordType::AAAA), Err(Unusable::OtherQuestion));
    }

    /// Any cut or changed answer is read or refused, never more.
    #[test]
    fn mutilated_answers_do_no_harm() {
        let whole = answer(
            ResponseCode::NoError,
            vec![cname("api.internal", 300, "b.internal"), a("b.internal", 60, 1)],
            vec![soa(1, 1)],
        );
        for position in 0..whole.len() {
            let _ = read(&whole[..position]);
            for change in [0x00, 0x01, 0x80, 0xc0, 0xff] {
                let mut changed = whole.clone();
                changed[position] ^= change;
                let _ = read(&changed);
            }
        }
    }
}
