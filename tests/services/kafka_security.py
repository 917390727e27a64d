"""What `kafka start --secure` adds: listeners with TLS and SASL, certificates made on the spot, users, and permissions.

  TLS    encrypted, nobody says who they are
  MTLS   encrypted, and clients show a certificate: FOLDER/security/client.pem, .key
  SASL   encrypted, PLAIN or SCRAM-SHA-256
  OAUTH  not encrypted, OAUTHBEARER with tokens that nobody signed, which is Kafka's default: their `sub` is the user. A connection
         ends with its token

Whoever trusts the broker trusts FOLDER/security/ca.pem; other.pem is of an authority that signed nothing here. `penstock` may do
everything, with the password SECRET, or by certificate. `guest` may do what somebody allows: nothing at first. Those who
do not say who they are may do everything, for tests have to prepare topics.
"""
SECRET = "correct-horse"
LISTENERS = ("TLS", "MTLS", "SASL", "OAUTH")
PROTOCOLS = {"TLS": "SSL", "MTLS": "SSL", "SASL": "SASL_SSL", "OAUTH": "SASL_PLAINTEXT"}

PROPERTIES = """\
ssl.keystore.type=PEM
ssl.keystore.location={folder}/security/broker.pem
ssl.truststore.type=PEM
ssl.truststore.location={folder}/security/ca.pem
listener.name.mtls.ssl.client.auth=required
listener.name.sasl.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256
listener.name.sasl.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required \
user_penstock="{secret}" user_guest="{secret}";
listener.name.sasl.scram-sha-256.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.oauth.sasl.enabled.mechanisms=OAUTHBEARER
listener.name.oauth.oauthbearer.sasl.jaas.config=org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required \
unsecuredLoginStringClaim_sub="broker";
listener.name.oauth.oauthbearer.connections.max.reauth.ms=3600000
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS;User:penstock;User:CN=penstock
"""


def secured(properties, ports, folder):
    """Properties of a plain broker, with the further listeners on these ports."""
    more = [f"{name}://127.0.0.1:{port}" for name, port in zip(LISTENERS, ports)]
    protocols = ",".join(f"{name}:{protocol}" for name, protocol in PROTOCOLS.items())
    lines = []
    for line in properties.splitlines():
        if line.startswith(("listeners=", "advertised.listeners=")):
            line = ",".join([line, *more])
        elif line.startswith("listener.security.protocol.map="):
            line = f"{line},{protocols}"
        lines.append(line)
    return "\n".join([*lines, PROPERTIES.format(folder=folder, secret=SECRET)])


def scram_users():
    return [word for name in ("penstock", "guest")
            for word in ("--add-scram", f"SCRAM-SHA-256=[name={name},password={SECRET}]")]


def make_certificates(folder, run):
    into = folder / "security"
    into.mkdir(exist_ok=True)
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]

    def openssl(*arguments):
        run(["openssl", *arguments], "making certificates", cwd=into)

    for authority in ("ca", "other"):
        openssl("req", "-x509", *key, "-days", "3650", "-subj", f"/CN=penstock tests {authority}", "-keyout", f"{authority}.key",
                "-out", f"{authority}.pem")
    (into / "names").write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\n")
    for whose, subject in (("broker", "/CN=broker"), ("client", "/CN=penstock")):
        openssl("req", *key, "-subj", subject, "-keyout", f"{whose}.key", "-out", f"{whose}.csr")
        openssl("x509", "-req", "-in", f"{whose}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "3650",
                "-extfile", "names", "-out", f"{whose}.pem")
    # Kafka wants the key in front of the certificates that vouch for it.
    store = into / "broker.pem"
    store.write_text((into / "broker.key").read_text() + store.read_text())
