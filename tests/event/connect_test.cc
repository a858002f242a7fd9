// SPDX-License-Identifier: 0BSD
// Outgoing connections against real sockets on the loopback address.
#include "event/connect.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <sys/socket.h>
#include <unistd.h>

#include <thread>

#include "event/libevent_loop.h"

namespace qv::event {
namespace {

class Peer : public testing::Test, protected Connection::User {
 protected:
  void SetUp() override {
    const StreamAddress any = parse_stream_address("inet:127.0.0.1:0").value();
    listener_ = listen_on(any, {}).value();
    sockaddr_in bound{};
    socklen_t size = sizeof bound;
    ASSERT_EQ(getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&bound), &size), 0);
    address_ =
        parse_stream_address("inet:127.0.0.1:" + std::to_string(ntohs(bound.sin_port))).value();
    // The peer of these tests waits where our side must not.
    limit_ = loop_.after(10000000, [this] {
      FAIL() << "time limit";
      loop_.stop();
    });
  }
  Fd accept_one() {
    for (;;) {
      Fd fd(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (fd.valid()) return fd;
      usleep(1000);
    }
  }
  static std::string read_some(int fd) {
    char buffer[1000];
    const ssize_t got = read(fd, buffer, sizeof buffer);
    return std::string(buffer, got > 0 ? static_cast<std::size_t>(got) : 0);
  }
  void connect() { connection_ = connector_(address_, *this); }

  void on_connected() override {
    events_ += "connected ";
    if (then_) then_();
  }
  void on_bytes(std::string_view bytes) override {
    received_ += bytes;
    if (on_received_) on_received_();
  }
  void on_secured() override {
    events_ += "secured ";
    if (then_secured_) then_secured_();
  }
  void on_closed(During during, std::string_view why) override {
    events_ += during == During::connect     ? "not connected"
               : during == During::handshake ? "no handshake"
                                             : "closed";
    why_ = why;
    connection_.reset();
    // libevent closes the descriptor when the loop has turned.
    stop_ = loop_.after(1000, [this] { loop_.stop(); });
  }

  LibeventLoop loop_;
  Connector connector_ = make_connector(loop_);
  Fd listener_;
  StreamAddress address_;
  std::unique_ptr<Connection> connection_;
  std::string events_;
  std::string received_;
  std::string why_;
  std::function<void()> then_;
  std::function<void()> on_received_;
  std::function<void()> then_secured_;
  Loop::Owned limit_;
  Loop::Owned stop_;
};

TEST_F(Peer, IsTalkedToUntilItCloses) {
  then_ = [this] { connection_->send("hello"); };
  connect();
  std::thread peer([this] {
    const Fd fd = accept_one();
    EXPECT_EQ(read_some(fd.get()), "hello");
    EXPECT_EQ(write(fd.get(), "you too", 7), 7);
  });
  loop_.run();
  peer.join();
  EXPECT_EQ(received_, "you too");
  EXPECT_EQ(events_, "connected closed");
}

TEST_F(Peer, ThatDoesNotListenIsSaidSo) {
  listener_.reset();
  connect();
  EXPECT_EQ(events_, "");
  loop_.run();
  EXPECT_EQ(events_, "not connected");
  EXPECT_NE(why_.find("refused"), std::string::npos) << why_;
}

TEST_F(Peer, MayBeLeftFromWithinAnyCall) {
  then_ = [this] {
    connection_.reset();
    loop_.stop();
  };
  connect();
  loop_.run();
  EXPECT_EQ(events_, "connected ");
}

TEST_F(Peer, ThatNeverReadsIsGivenUp) {
  then_ = [this] {
    for (int i = 0; i < 1000; ++i) connection_->send(std::string(100000, 'x'));
  };
  connect();
  loop_.run();
  EXPECT_EQ(events_, "connected closed");
  EXPECT_EQ(why_, "the peer does not read");
}

SSL_CTX* server_context() {
  SSL_CTX* context = SSL_CTX_new(TLS_server_method());
  EVP_PKEY* key = EVP_RSA_gen(2048);
  X509* certificate = X509_new();
  X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
  X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
  X509_set_pubkey(certificate, key);
  X509_sign(certificate, key, EVP_sha256());
  SSL_CTX_use_certificate(context, certificate);
  SSL_CTX_use_PrivateKey(context, key);
  X509_free(certificate);
  EVP_PKEY_free(key);
  return context;
}

TEST_F(Peer, GoesUnderTls) {
  then_ = [this] { connection_->send("starttls"); };
  on_received_ = [this] {
    if (received_ == "go") connection_->start_tls("mail.example");
  };
  then_secured_ = [this] { connection_->send("secret"); };
  connect();
  std::string heard;
  std::string name;
  std::thread peer([&] {
    const Fd fd = accept_one();
    EXPECT_EQ(read_some(fd.get()), "starttls");
    EXPECT_EQ(write(fd.get(), "go", 2), 2);
    SSL_CTX* context = server_context();
    SSL* ssl = SSL_new(context);
    SSL_set_fd(ssl, fd.get());
    EXPECT_EQ(SSL_accept(ssl), 1);
    const char* asked = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    name = asked == nullptr ? "" : asked;
    char buffer[100];
    const int got = SSL_read(ssl, buffer, sizeof buffer);
    heard.assign(buffer, got > 0 ? static_cast<std::size_t>(got) : 0);
    SSL_write(ssl, "answer", 6);
    SSL_shutdown(ssl);
    SSL_free(ssl);
    SSL_CTX_free(context);
  });
  loop_.run();
  peer.join();
  EXPECT_EQ(heard, "secret");
  EXPECT_EQ(name, "mail.example");
  EXPECT_EQ(received_, "goanswer");
  EXPECT_EQ(events_, "connected secured closed");
}

TEST_F(Peer, ThatSpeaksNoTlsIsSaidSo) {
  then_ = [this] { connection_->start_tls(""); };
  connect();
  std::thread peer([&] {
    const Fd fd = accept_one();
    read_some(fd.get());
    EXPECT_EQ(write(fd.get(), "500 what\r\n", 10), 10);
    read_some(fd.get());
  });
  loop_.run();
  peer.join();
  EXPECT_EQ(events_, "connected no handshake");
  EXPECT_NE(why_, "");
}

}  // namespace
}  // namespace qv::event
