//! A server of a few files, on the loopback interface alone.
//!
//! It answers `GET` and `HEAD` of the names that it was given, from memory. There is no path that could lead elsewhere.

use super::folder::File;
use anyhow::Context;
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

/// The most bytes of a request.
const REQUEST: u64 = 16 * 1024;
/// The most bytes after it, such as a body, that are read and ignored.
const REST: u64 = 1024 * 1024;
/// A connection that says nothing for this long is closed.
const PATIENCE: Duration = Duration::from_secs(10);

/// A server that listens.
pub struct Server {
    listener: TcpListener,
    pub address: SocketAddr,
}

impl Server {
    /// Listens on a port; 0 is any that is free.
    pub fn bind(port: u16) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).with_context(|| match port {
            0 => "--port 0: no port is free".to_owned(),
            port => format!("--port {port}: another program may use it; give another port, or 0 for any that is free"),
        })?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address })
    }

    /// Answers requests until the process is stopped, each connection on a thread of its own.
    pub fn serve(&self, files: &[File]) -> ! {
        thread::scope(|scope| {
            loop {
                // The connection was closed at once, or there are too many.
                let Ok((stream, _)) = self.listener.accept() else {
                    thread::sleep(Duration::from_millis(10));
                    continue;
                };
                // Without another thread, the browser asks again.
                let _ = thread::Builder::new().spawn_scoped(scope, move || answer(stream, files));
            }
        })
    }
}

/// Answers one request. It is not an error if the browser has gone.
fn answer(mut stream: TcpStream, files: &[File]) {
    let timeouts = || stream.set_read_timeout(Some(PATIENCE)).and(stream.set_write_timeout(Some(PATIENCE)));
    if timeouts().is_err() {
        return;
    }
    let Response { head, body } = match read(&mut stream) {
        Ok(request) => respond(&request, files),
        Err(error) if error.kind() == ErrorKind::FileTooLarge => {
            failure("431 Request Header Fields Too Large", "", b"the request is too long\n")
        }
        Err(error) if error.kind() == ErrorKind::InvalidData => failure("400 Bad Request", "", NO_REQUEST),
        Err(_) => return,
    };
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
    // A socket that closes with unread bytes resets the connection, and the response may be lost.
    let _ = stream.shutdown(Shutdown::Write);
    let _ = io::copy(&mut stream.take(REST), &mut io::sink());
}

/// What answers a request: the lines that describe it, and its contents.
struct Response<'a> {
    head: String,
    body: &'a [u8],
}

/// The body of the answer to what is not HTTP.
const NO_REQUEST: &[u8] = b"not a request\n";

/// The first line of a request. The headers after it are read and ignored.
fn read(stream: &mut impl Read) -> io::Result<String> {
    let mut lines = BufReader::new(stream.take(REQUEST));
    let (mut request, mut header) = (String::new(), String::new());
    lines.read_line(&mut request)?;
    while lines.read_line(&mut header)? > 2 {
        header.clear();
    }
    match (header.is_empty(), lines.get_ref().limit()) {
        (false, _) => Ok(request),
        (true, 0) => Err(ErrorKind::FileTooLarge.into()),
        (true, _) => Err(ErrorKind::UnexpectedEof.into()),
    }
}

/// The response to the first line of a request: `GET /name HTTP/1.1`, or with a whole address instead of `/name`.
fn respond<'a>(request: &str, files: &'a [File]) -> Response<'a> {
    let words: Vec<&str> = request.split_ascii_whitespace().collect();
    let [method, target, version] = words[..] else { return failure("400 Bad Request", "", NO_REQUEST) };
    if !version.starts_with("HTTP/1.") {
        return failure("400 Bad Request", "", NO_REQUEST);
    }
    if method != "GET" && method != "HEAD" {
        return failure("405 Method Not Allowed", "Allow: GET, HEAD\r\n", b"only GET and HEAD\n");
    }
    let path = target.strip_prefix("http://").and_then(|rest| rest.find('/').map(|start| &rest[start..]));
    let name = match path.unwrap_or(target).split('?').next().and_then(|path| path.strip_prefix('/')) {
        Some("") => Some("index.html"),
        name => name,
    };
    let response = match files.iter().find(|file| Some(file.name) == name) {
        Some(file) => response("200 OK", "", content_type(file.name), &file.bytes),
        None => failure("404 Not Found", "", b"no such file\n"),
    };
    if method == "HEAD" { Response { body: &[], ..response } } else { response }
}

/// A response with a line that gives the reason.
fn failure<'a>(status: &str, header: &str, reason: &'a [u8]) -> Response<'a> {
    response(status, header, "text/plain; charset=utf-8", reason)
}

fn response<'a>(status: &str, header: &str, kind: &str, body: &'a [u8]) -> Response<'a> {
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n{header}Cache-Control: no-cache\r\n\
         X-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n",
        body.len()
    );
    Response { head, body }
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("mjs") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("json") => "application/json",
        Some("wasm") => "application/wasm",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files() -> [File; 2] {
        [("index.html", &b"<p>"[..]), ("a.mjs", b"1")].map(|(name, bytes)| File { name, bytes: bytes.to_vec() })
    }

    fn said(request: &str) -> String {
        let files = files();
        let Response { head, body } = respond(request, &files);
        head + str::from_utf8(body).unwrap()
    }

    #[test]
    fn its_files_are_answered_and_nothing_else() {
        let page = said("GET / HTTP/1.1\r\n");
        assert!(page.starts_with("HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: 3\r\n"));
        assert!(page.ends_with("\r\n\r\n<p>"));
        assert!(said("GET /a.mjs?v=1 HTTP/1.1").ends_with("\r\n\r\n1"));
        let head = said("HEAD /a.mjs HTTP/1.1");
        assert!(head.contains("Content-Length: 1\r\n") && head.ends_with("\r\n\r\n"));
        assert!(said("GET http://127.0.0.1:8128/a.mjs HTTP/1.1").ends_with("\r\n\r\n1"));
        for target in
            ["/b", "/../Cargo.toml", "/a.mjs/", "//a.mjs", "a.mjs", "/%61.mjs", "http://a.mjs", "http://a//a.mjs"]
        {
            assert!(said(&format!("GET {target} HTTP/1.1")).starts_with("HTTP/1.1 404 "), "{target}");
        }
        for method in ["POST", "PUT", "get"] {
            let refused = said(&format!("{method} /a.mjs HTTP/1.1"));
            assert!(refused.starts_with("HTTP/1.1 405 ") && refused.contains("\r\nAllow: GET, HEAD\r\n"), "{method}");
        }
        for request in ["", "\r\n", "GET", "GET /a.mjs", "GET  HTTP/1.1", "GET /a.mjs HTTP/2", "GET /a b HTTP/1.1"] {
            assert!(said(request).starts_with("HTTP/1.1 400 "), "{request}");
        }
    }

    #[test]
    fn a_request_that_is_too_long_or_no_text_is_refused_and_one_that_ends_early_is_not_answered() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let asked = |request: &[u8]| {
            let mut browser = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            thread::scope(|scope| {
                scope.spawn(|| answer(listener.accept().unwrap().0, &files()));
                browser.write_all(request).unwrap();
                browser.shutdown(Shutdown::Write).unwrap();
                let mut said = String::new();
                browser.read_to_string(&mut said).unwrap();
                said
            })
        };
        assert!(asked(b"GET / HTTP/1.1\r\n\r\n").ends_with("<p>"));
        assert!(asked(&[b'x'; REQUEST as usize]).starts_with("HTTP/1.1 431 "));
        // What is not read of a request does not reset the connection, which would lose the answer.
        assert!(asked(&vec![b'x'; 300_000]).starts_with("HTTP/1.1 431 "));
        let body = [&b"POST / HTTP/1.1\r\nContent-Length: 500000\r\n\r\n"[..], &vec![b'x'; 500_000]].concat();
        assert!(asked(&body).ends_with("only GET and HEAD\n"));
        assert!(asked(b"\xff\r\n\r\n").starts_with("HTTP/1.1 400 "));
        assert_eq!(asked(b"GET / HTTP/1.1\r\n"), "");
    }

    #[test]
    fn a_request_ends_with_an_empty_line() {
        let read = |bytes: &[u8]| read(&mut &bytes[..]).ok();
        assert_eq!(read(b"GET / HTTP/1.1\r\nHost: x\r\n\r\nmore").as_deref(), Some("GET / HTTP/1.1\r\n"));
        assert_eq!(read(b"GET / HTTP/1.1\r\nHost: x\r\n"), None);
        assert_eq!(read(b""), None);
        assert_eq!(read(&vec![b'x'; 20_000]), None);
        assert_eq!(read(b"\xff\r\n\r\n"), None);
    }
}
