//! An S3 server for tests, where `fetch-moto` could install one.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A server that ends with the test.
pub struct S3 {
    server: Child,
    pub endpoint: String,
}

impl Drop for S3 {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

impl S3 {
    /// A server with an empty bucket, or none with a word about it.
    pub fn start(bucket: &str) -> Option<S3> {
        let path = std::env::var("ASSAY_MOTO").unwrap_or_default();
        if path.is_empty() {
            skips::skip(skips::Need::Moto, &format!("objects in a bucket ({bucket})"), "ASSAY_MOTO names no server");
            return None;
        }
        // A port that is free now.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let server =
            Command::new(path).args(["-H", "127.0.0.1", "-p", &port.to_string()]).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let s3 = S3 { server: server.expect("ASSAY_MOTO is a program"), endpoint: format!("http://127.0.0.1:{port}") };
        let authorization = "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0";
        let request = format!(
            "PUT /{bucket} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: {authorization}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        );
        for _ in 0..200 {
            std::thread::sleep(Duration::from_millis(100));
            let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else { continue };
            let mut answer = String::new();
            if stream.write_all(request.as_bytes()).is_ok()
                && stream.read_to_string(&mut answer).is_ok()
                && answer.starts_with("HTTP/1.1 200")
            {
                return Some(s3);
            }
        }
        panic!("the S3 server of ASSAY_MOTO does not answer");
    }

    /// What the environment has to say of it.
    pub fn environment(&self) -> [(&'static str, String); 5] {
        [
            ("AWS_ENDPOINT_URL", self.endpoint.clone()),
            ("AWS_ALLOW_HTTP", "true".into()),
            ("AWS_REGION", "us-east-1".into()),
            ("AWS_ACCESS_KEY_ID", "test".into()),
            ("AWS_SECRET_ACCESS_KEY", "test".into()),
        ]
    }
}
