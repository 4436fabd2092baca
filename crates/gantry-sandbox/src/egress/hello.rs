//! The server name of a TLS ClientHello, read from the first bytes of a connection.
//!
//! Not in here: what the name is compared with.

/// What the first bytes of a connection are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum First {
    /// Not to be told yet.
    NeedMore,
    /// No TLS handshake.
    NotTls,
    /// A ClientHello with this server name in lower case, if it has one.
    Tls(Option<String>),
    /// It starts as a TLS handshake but is none that can be read.
    Broken,
}

/// Tells what `bytes`, the first of a connection, are. The handshake may be spread over several records.
pub(crate) fn inspect(bytes: &[u8]) -> First {
    match bytes {
        [] | [0x16] => return First::NeedMore,
        [0x16, 3, ..] => {}
        _ => return First::NotTls,
    }
    let mut hello = Vec::new();
    let mut rest = bytes;
    loop {
        if let Some(length) = hello_length(&hello)
            && hello.len() >= 4 + length
        {
            return match server_name(&hello[4..4 + length]) {
                Some(name) => First::Tls(name),
                None => First::Broken,
            };
        }
        let [kind, major, _, high, low, body @ ..] = rest else {
            return First::NeedMore;
        };
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        if *kind != 0x16 || *major != 3 || length == 0 || length > 16_640 {
            return First::Broken;
        }
        let part = &body[..length.min(body.len())];
        hello.extend_from_slice(part);
        if hello.first().is_some_and(|kind| *kind != 1) {
            return First::Broken;
        }
        rest = &body[part.len()..];
    }
}

fn hello_length(hello: &[u8]) -> Option<usize> {
    let [_, a, b, c, ..] = hello else { return None };
    Some(u32::from_be_bytes([0, *a, *b, *c]) as usize)
}

/// Reads through a ClientHello body; `None` when it is malformed or names several hosts.
fn server_name(body: &[u8]) -> Option<Option<String>> {
    let mut cursor = Cursor(body);
    cursor.take(2 + 32)?;
    let session = cursor.byte()?;
    cursor.take(session.into())?;
    let ciphers = cursor.short()?;
    cursor.take(ciphers)?;
    let compressions = cursor.byte()?;
    cursor.take(compressions.into())?;
    if cursor.0.is_empty() {
        return Some(None);
    }
    let length = cursor.short()?;
    let mut extensions = Cursor(cursor.take(length)?);
    let mut found = None;
    while !extensions.0.is_empty() {
        let kind = extensions.short()?;
        let length = extensions.short()?;
        let data = extensions.take(length)?;
        if kind == 0 {
            if found.is_some() {
                return None;
            }
            found = Some(name_in_list(data)?);
        }
    }
    Some(found)
}

fn name_in_list(data: &[u8]) -> Option<String> {
    let mut cursor = Cursor(data);
    let length = cursor.short()?;
    let mut list = Cursor(cursor.take(length)?);
    let kind = list.byte()?;
    let length = list.short()?;
    let name = list.take(length)?;
    if kind != 0 || !list.0.is_empty() || !cursor.0.is_empty() || name.is_empty() {
        return None;
    }
    let name = std::str::from_utf8(name).ok()?;
    Some(name.trim_end_matches('.').to_ascii_lowercase())
}

struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.0.split_at_checked(length)?;
        self.0 = tail;
        Some(head)
    }
    fn byte(&mut self) -> Option<u8> {
        self.take(1).map(|b| b[0])
    }
    fn short(&mut self) -> Option<usize> {
        self.take(2).map(|b| usize::from(u16::from_be_bytes([b[0], b[1]])))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A ClientHello as a client would send it, in records of at most `record` bytes.
    pub(crate) fn client_hello(name: Option<&str>, record: usize) -> Vec<u8> {
        let mut extensions = vec![0, 43, 0, 3, 2, 3, 4];
        if let Some(name) = name {
            let n = name.len() as u16;
            extensions.extend([0, 0]);
            extensions.extend((n + 5).to_be_bytes());
            extensions.extend((n + 3).to_be_bytes());
            extensions.push(0);
            extensions.extend(n.to_be_bytes());
            extensions.extend(name.as_bytes());
        }
        let mut body = vec![3, 3];
        body.extend([7u8; 32]);
        body.extend([0, 0, 2, 0x13, 1, 1, 0]);
        body.extend((extensions.len() as u16).to_be_bytes());
        body.extend(extensions);
        let mut hello = vec![1];
        hello.extend(&(body.len() as u32).to_be_bytes()[1..]);
        hello.extend(body);
        let mut bytes = Vec::new();
        for part in hello.chunks(record) {
            bytes.extend([0x16, 3, 1]);
            bytes.extend((part.len() as u16).to_be_bytes());
            bytes.extend(part);
        }
        bytes
    }

    #[test]
    fn the_name_is_found_however_the_hello_is_cut() {
        for record in [1, 7, 50, 4096] {
            let bytes = client_hello(Some("Files.Example"), record);
            for cut in 0..bytes.len() {
                assert_eq!(inspect(&bytes[..cut]), First::NeedMore, "{record} {cut}");
            }
            assert_eq!(inspect(&bytes), First::Tls(Some("files.example".to_owned())));
        }
        assert_eq!(inspect(&client_hello(None, 4096)), First::Tls(None));
    }

    #[test]
    fn other_protocols_and_broken_hellos_are_told_apart() {
        assert_eq!(inspect(b"GET / HTTP/1.1\r\n"), First::NotTls);
        assert_eq!(inspect(b"SSH-2.0-x\r\n"), First::NotTls);
        let mut two_names = client_hello(Some("a.example"), 4096);
        two_names[5 + 4] = 9;
        assert!(
            matches!(inspect(&two_names), First::Tls(_)),
            "the version inside is not ours to judge"
        );
        assert_eq!(inspect(&[0x16, 3, 1, 0, 1, 2]), First::Broken, "not a ClientHello");
        assert_eq!(inspect(&[0x16, 3, 1, 0, 0]), First::Broken, "empty record");
        let mut cut = client_hello(Some("a.example"), 4096);
        let at = cut.len() - 12;
        cut[at] = 200;
        assert_eq!(inspect(&cut), First::Broken, "a length beyond its list");
    }
}
