// SPDX-License-Identifier: 0BSD
// socketmap:unix:/path:name, socketmap:inet:host:port:name - Sendmail's and Postfix's socketmap
// protocol, socketmap_table(5).
//
// Manual: qmail-map-net(5).
#include "wire/socketmap.h"

#include <errno.h>

#include "core/text.h"
#include "maps/spec.h"
#include "maps/types/server_map.h"
#include "maps/types/stream_client.h"

namespace qv {

namespace {

constexpr int kTimeoutMs = 10'000;

class SocketmapServer final : public Server {
 public:
  explicit SocketmapServer(std::string name) : name_(std::move(name)), client_(kTimeoutMs) {}

  Result<void> connect(const std::string& host, std::string& detail) override {
    return client_.connect(host, detail);
  }
  void disconnect() override { client_.disconnect(); }

  Result<Answer> ask(std::string_view key, std::string& value, bool& broken,
                     std::string& detail) override {
    std::string request;
    // Longer than any request may be: no server of this protocol can have it.
    if (!socketmap::append_request(request, {name_, key})) return Answer::absent;
    socketmap::Status status = socketmap::Status::temporary;
    std::string text;
    const Result<void> done =
        client_.exchange(request, [&](std::string_view bytes, std::size_t& size) {
          socketmap::Reply reply;
          const Frame frame = socketmap::parse_reply(bytes, reply, size);
          if (frame == Frame::whole) {
            status = reply.status;
            text = reply.text;
          }
          return frame;
        });
    if (!done.ok()) {
      broken = true;
      detail = describe_error(done.error(), {});
      return done.error();
    }
    detail = text;
    switch (status) {
      case socketmap::Status::ok:
        value = std::move(text);
        return Answer::found;
      case socketmap::Status::not_found:
        return Answer::absent;
      case socketmap::Status::temporary:
      case socketmap::Status::timeout:
        return Error{Fault::retry, 0, "socketmap server cannot tell"};
      case socketmap::Status::permanent:
        return Error{Fault::config, 0, "socketmap server refuses"};
    }
    return Error{Fault::protocol, 0, "socketmap reply"};
  }

 private:
  std::string name_;
  StreamClient client_;
};

Result<std::unique_ptr<Map>> open_socketmap(const MapSpec& spec, std::string& detail) {
  const std::string_view text = strip_braces(spec.name);
  const std::size_t colon = find_last_byte(text, ':');
  const std::string_view address = first_bytes(text, colon);
  const std::string_view name =
      colon == text.size() ? std::string_view{} : after_bytes(text, colon + 1);
  const bool known = starts_with(address, "unix:/") ||
                     (starts_with(address, "inet:") && find_last_byte(address, ':') > 5);
  if (!known || name.empty() || find_byte(name, ' ') != name.size()) {
    detail = "socketmap:" + spec.name +
             ": write socketmap:unix:/path:name or socketmap:inet:host:port:name";
    return Error{Fault::config, 0, "socketmap table"};
  }
  return make_server_map(std::make_unique<SocketmapServer>(std::string(name)),
                         {std::string(address)}, {});
}

}  // namespace

extern const MapType map_type_socketmap;
const MapType map_type_socketmap{"socketmap",
                                 {.networked = true},
                                 "unix:/path:name or inet:host:port:name: a socketmap server",
                                 open_socketmap};

}  // namespace qv
