//! Encrypted connections, to a server of its own with a certificate of its own.

use anndex_backend_postgres::{PostgresOptions, connect};
use anndex_core::ErrorKind;
use anndex_core::backend::Backend;
use anndex_test_server::{Database, Server};

use crate::create;

#[tokio::test]
async fn a_url_may_demand_encryption_and_a_certificate() {
    let server = Server::start().unwrap();
    let database = Database::create_on(&server.url(), "");
    create(&database.url()).await.close().await.unwrap();
    let open = async |parameters: &str| {
        let url = format!("{}?{parameters}", database.url());
        connect(&url, &PostgresOptions::new()).await
    };
    let error = open("sslmode=require").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Backend, "{error:?}");
    assert!(error.message().contains("sslmode"), "{error}");

    let own = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let other = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let certificate = server.write_file("certificate", &own.cert.pem()).unwrap();
    let key = own.signing_key.serialize_pem();
    let key = server.write_file("key", &key).unwrap();
    database.run(&format!(
        "ALTER SYSTEM SET ssl_cert_file = '{}'",
        certificate.display()
    ));
    database.run(&format!(
        "ALTER SYSTEM SET ssl_key_file = '{}'",
        key.display()
    ));
    database.run("ALTER SYSTEM SET ssl = on");
    server.stop(false).unwrap();
    server.resume().unwrap();

    let directory = tempfile::tempdir().unwrap();
    let root = |name: &str, pem: String| {
        let path = directory.path().join(name);
        std::fs::write(&path, pem).unwrap();
        path.display().to_string()
    };
    let (own, other) = (root("own", own.cert.pem()), root("other", other.cert.pem()));
    let encrypted = "SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) \
                     WHERE ssl AND application_name = 'anndex'";
    for parameters in [
        "sslmode=require".to_owned(),
        "sslmode=prefer".to_owned(),
        String::new(),
        format!("sslmode=verify-full&sslrootcert={own}"),
    ] {
        let backend = open(&parameters).await.unwrap();
        assert_ne!(database.run(encrypted).trim(), "0", "{parameters}");
        backend.close().await.unwrap();
    }
    for parameters in [
        "sslmode=verify-full".to_owned(),
        format!("sslmode=verify-ca&sslrootcert={other}"),
    ] {
        let error = open(&parameters).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Backend, "{parameters}: {error:?}");
        assert!(error.message().contains("sslmode"), "{error:?}");
    }
}
