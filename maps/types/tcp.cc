// SPDX-License-Identifier: 0BSD
// tcp:host:port - Postfix's tcp_table(5) protocol.  No passwords, no encryption: for the loopback.
//
// Manual: qmail-map-net(5).
#include "core/text.h"
#include "maps/spec.h"
#include "maps/types/server_map.h"
#include "maps/types/stream_client.h"
#include "wire/tcp_table.h"

namespace qv {

namespace {

constexpr int kTimeoutMs = 10'000;

class TcpTableServer final : public Server {
 public:
  Result<void> connect(const std::string& host, std::string& detail) override {
    return client_.connect(host, detail);
  }
  void disconnect() override { client_.disconnect(); }

  Result<Answer> ask(std::string_view key, std::string& value, bool& broken,
                     std::string& detail) override {
    std::string request;
    // Longer than any line may be: no server of this protocol can have it.
    if (!tcp_table::append_request(request, key)) return Answer::absent;
    tcp_table::Reply reply;
    const Result<void> done =
        client_.exchange(request, [&](std::string_view bytes, std::size_t& size) {
          return tcp_table::parse_reply(bytes, reply, size);
        });
    if (!done.ok()) {
      broken = true;
      detail = describe_error(done.error(), {});
      return done.error();
    }
    detail = reply.text;
    switch (reply.status) {
      case tcp_table::Status::found:
        value = std::move(reply.text);
        return Answer::found;
      case tcp_table::Status::not_found:
        return Answer::absent;
      case tcp_table::Status::retry:
        return Error{Fault::retry, 0, "tcp_table server cannot tell"};
    }
    return Error{Fault::protocol, 0, "tcp_table reply"};
  }

 private:
  StreamClient client_{kTimeoutMs};
};

Result<std::unique_ptr<Map>> open_tcp(const MapSpec& spec, std::string& detail) {
  const std::string_view text = strip_braces(spec.name);
  std::string host;
  std::string port;
  if (!split_host_port(text, host, port)) {
    detail = "tcp:" + spec.name + ": write tcp:host:port";
    return Error{Fault::config, 0, "tcp table"};
  }
  return make_server_map(std::make_unique<TcpTableServer>(), {"inet:" + std::string(text)}, {});
}

}  // namespace

extern const MapType map_type_tcp;
const MapType map_type_tcp{"tcp", {.networked = true}, "host:port: a tcp_table server", open_tcp};

}  // namespace qv
