// SPDX-License-Identifier: 0BSD
#include "event/connect.h"

#include <arpa/inet.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <string.h>

#include <array>

#include "core/check.h"
#include "event/libevent_loop.h"

namespace qv::event {

namespace {

constexpr std::size_t kMaxUnsent = 64u << 10;
constexpr std::size_t kMaxUnread = 16u << 10;

struct FreeEvent {
  void operator()(bufferevent* event) const { bufferevent_free(event); }
};

bool is_address(const std::string& host) {
  std::array<unsigned char, sizeof(in6_addr)> bytes{};
  return inet_pton(AF_INET, host.c_str(), bytes.data()) == 1 ||
         inet_pton(AF_INET6, host.c_str(), bytes.data()) == 1;
}

class LibeventConnection final : public Connection {
 public:
  LibeventConnection(LibeventLoop& loop, SSL_CTX* context, const StreamAddress& address, User& user)
      : loop_(loop), context_(context), user_(user) {
    own(bufferevent_socket_new(loop.base(), -1, kFlags));
    const int size = static_cast<int>(address.size);
    if (bufferevent_socket_connect(event_.get(), address.get(), size) != 0) {
      const std::string why = strerror(errno);
      soon_ = loop.after(0, [this, why] { user_.on_closed(User::During::connect, why); });
    }
  }

  void send(std::string_view bytes) override {
    bufferevent_write(event_.get(), bytes.data(), bytes.size());
    if (evbuffer_get_length(bufferevent_get_output(event_.get())) <= kMaxUnsent) return;
    soon_ = loop_.after(0, [this] { user_.on_closed(during_, "the peer does not read"); });
  }

  void start_tls(const std::string& host) override {
    during_ = User::During::handshake;
    SSL* ssl = SSL_new(context_);
    QV_CHECK(ssl != nullptr);
    // SSL_set_tlsext_host_name() is a macro with casts that our warnings reject.
    if (!host.empty() && !is_address(host)) {
      SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
               const_cast<char*>(host.c_str()));
    }
    const evutil_socket_t fd = bufferevent_getfd(event_.get());
    bufferevent_setfd(event_.get(), -1);
    own(bufferevent_openssl_socket_new(loop_.base(), fd, ssl, BUFFEREVENT_SSL_CONNECTING, kFlags));
    bufferevent_openssl_set_allow_dirty_shutdown(event_.get(), 1);
  }

 private:
  static constexpr int kFlags = BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS;

  void own(bufferevent* event) {
    QV_CHECK(event != nullptr);
    event_.reset(event);
    using Self = LibeventConnection;
    bufferevent_setcb(
        event, [](bufferevent*, void* self) { static_cast<Self*>(self)->on_readable(); }, nullptr,
        [](bufferevent*, short what, void* self) { static_cast<Self*>(self)->on_event(what); },
        this);
    bufferevent_setwatermark(event, EV_READ, 0, kMaxUnread);
    bufferevent_enable(event, EV_READ | EV_WRITE);
  }

  void on_readable() {
    evbuffer* input = bufferevent_get_input(event_.get());
    std::string bytes(evbuffer_get_length(input), '\0');
    const int got = evbuffer_remove(input, bytes.data(), bytes.size());
    if (got > 0) user_.on_bytes(std::string_view(bytes.data(), static_cast<std::size_t>(got)));
  }

  void on_event(short what) {
    const User::During during = during_;
    if ((what & BEV_EVENT_CONNECTED) != 0) {
      during_ = User::During::talk;
      return during == User::During::connect ? user_.on_connected() : user_.on_secured();
    }
    std::string why = "connection closed";
    if ((what & BEV_EVENT_ERROR) != 0) why = error_text();
    user_.on_closed(during, why);
  }

  std::string error_text() {
    const unsigned long tls_error = bufferevent_get_openssl_error(event_.get());
    const char* reason = tls_error == 0 ? nullptr : ERR_reason_error_string(tls_error);
    if (reason != nullptr) return std::string("TLS: ") + reason;
    const int error = EVUTIL_SOCKET_ERROR();
    return error == 0 ? "connection closed" : evutil_socket_error_to_string(error);
  }

  LibeventLoop& loop_;
  SSL_CTX* context_;
  User& user_;
  User::During during_ = User::During::connect;
  std::unique_ptr<bufferevent, FreeEvent> event_;
  Loop::Owned soon_;
};

}  // namespace

Connector make_connector(LibeventLoop& loop) {
  const std::shared_ptr<SSL_CTX> context(SSL_CTX_new(TLS_client_method()), SSL_CTX_free);
  QV_CHECK(context != nullptr);
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_NONE, nullptr);
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
  return [&loop, context](const StreamAddress& address, Connection::User& user) {
    return std::make_unique<LibeventConnection>(loop, context.get(), address, user);
  };
}

}  // namespace qv::event
