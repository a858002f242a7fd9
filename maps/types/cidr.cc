// SPDX-License-Identifier: 0BSD
// cidr:/path - networks in CIDR notation, as cidr_table(5): `192.168.0.0/16 result`, `2001:db8::/32
// result`; an address without a length is itself alone.
//
// A network with bits set behind its length is a configuration error, as in Postfix.  A key that is
// no IP address matches nothing.  Manual: qmail-map-patterns(5).
#include <arpa/inet.h>
#include <string.h>

#include "core/text.h"
#include "maps/types/pattern_table.h"

namespace qv {

namespace {

struct Address {
  std::array<unsigned char, 16> bytes{};
  unsigned bits = 0;  // 32 or 128
};

bool parse_address(std::string_view text, Address& out) {
  if (text.size() >= INET6_ADDRSTRLEN || text.find('\0') != std::string_view::npos) return false;
  std::array<char, INET6_ADDRSTRLEN> buffer{};
  if (!text.empty()) memcpy(buffer.data(), text.data(), text.size());
  const bool v6 = text.find(':') != std::string_view::npos;
  out.bits = v6 ? 128 : 32;
  return inet_pton(v6 ? AF_INET6 : AF_INET, buffer.data(), out.bytes.data()) == 1;
}

// The bits of byte `index` that belong to a network of `length` bits.
unsigned char mask_of(unsigned length, unsigned index) {
  const unsigned before = 8 * index;
  if (length >= before + 8) return 0xff;
  if (length <= before) return 0;
  return static_cast<unsigned char>(0xff00u >> (length - before));
}

class Network final : public Pattern {
 public:
  Network(const Address& base, unsigned length) : base_(base), length_(length) {}

  Result<Answer> match(std::string_view key, Groups& /*groups*/) override {
    Address address;
    if (!parse_address(key, address) || address.bits != base_.bits) return Answer::absent;
    for (unsigned i = 0; i < base_.bits / 8; ++i) {
      if (((address.bytes[i] ^ base_.bytes[i]) & mask_of(length_, i)) != 0) return Answer::absent;
    }
    return Answer::found;
  }

  [[nodiscard]] bool has_host_bits() const {
    for (unsigned i = 0; i < base_.bits / 8; ++i) {
      if ((base_.bytes[i] & static_cast<unsigned char>(~mask_of(length_, i))) != 0) return true;
    }
    return false;
  }

 private:
  Address base_;
  unsigned length_;
};

std::unique_ptr<Pattern> compile(std::string_view& rest, std::string& wrong) {
  std::size_t end = 0;
  while (end < rest.size() && !is_blank(rest[end]) && rest[end] != '\r') ++end;
  const std::string_view word = first_bytes(rest, end);
  rest = after_bytes(rest, end);
  std::string_view length_text = word;
  std::string_view address_text = take_until(length_text, '/');
  if (address_text.size() > 2 && address_text.front() == '[' && address_text.back() == ']') {
    address_text = address_text.substr(1, address_text.size() - 2);
  }
  Address base;
  std::uint64_t length = 0;
  if (!parse_address(address_text, base)) {
    wrong = "\"" + std::string(word) + "\" is not a network";
    return nullptr;
  }
  if (find_byte(word, '/') == word.size()) {
    length = base.bits;
  } else if (!parse_decimal(length_text, base.bits, length)) {
    wrong = "\"" + std::string(word) + "\": the length must be 0 to " + std::to_string(base.bits);
    return nullptr;
  }
  auto network = std::make_unique<Network>(base, static_cast<unsigned>(length));
  if (network->has_host_bits()) {
    wrong = "\"" + std::string(word) + "\": bits are set behind the network's length";
    return nullptr;
  }
  return network;
}

Result<std::unique_ptr<Map>> open_cidr(const MapSpec& spec, std::string& detail) {
  return open_pattern_table(spec, {.compile = compile, .substitutes = false}, detail);
}

}  // namespace

extern const MapType map_type_cidr;
const MapType map_type_cidr{
    "cidr", {.pattern = true}, "/path: IP networks in CIDR notation", open_cidr};

}  // namespace qv
