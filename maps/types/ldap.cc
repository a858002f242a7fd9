// SPDX-License-Identifier: 0BSD
//@ needs: ldap lber
// ldap:/path/to/file.cf - a search in an LDAP directory.
//
// Parameters: server_host (names or ldap URLs), server_port, search_base, query_filter,
// result_attribute, scope, bind, bind_dn, bind_pw, version, start_tls, tls_ca_cert_file,
// tls_require_cert, dereference, size_limit, timeout, and result_format, expansion_limit, domain.
// What of a key stands in the filter is escaped byte for byte (RFC 4515), in search_base as RFC
// 4514 says.  Manual: qmail-map-ldap(5).
#include <errno.h>
#include <ldap.h>

#include <array>

#include "core/text.h"
#include "maps/spec.h"
#include "maps/types/query_template.h"
#include "maps/types/server_map.h"

namespace qv {

namespace {

struct Unbind {
  void operator()(LDAP* l) const { ldap_unbind_ext_s(l, nullptr, nullptr); }
};
struct FreeMessage {
  void operator()(LDAPMessage* m) const { ldap_msgfree(m); }
};
struct FreeValues {
  void operator()(berval** v) const { ldap_value_free_len(v); }
};

void add_hex(char c, std::string& out) {
  constexpr char kHex[] = "0123456789abcdef";
  const auto byte = static_cast<unsigned char>(c);
  out += '\\';
  out += kHex[byte >> 4];
  out += kHex[byte & 15];
}

bool is_plain(char c) {
  const char lower = ascii_lower(c);
  return (lower >= 'a' && lower <= 'z') || is_digit(c) || c == '.' || c == '@' || c == '-' ||
         c == '_';
}

// \hh is good both in a filter and in a DN; what needs none of either stays readable.
void quote(std::string_view part, std::string& out) {
  for (const char c : part) {
    if (is_plain(c)) {
      out += c;
    } else {
      add_hex(c, out);
    }
  }
}

struct Settings {
  std::vector<std::string> attributes;
  int scope = LDAP_SCOPE_SUBTREE;
  bool bind = true;
  std::string bind_dn;
  std::string bind_pw;
  bool start_tls = false;
  std::string tls_ca_cert_file;
  bool tls_require_cert = false;
  int dereference = 0;
  int size_limit = 0;
  int version = 3;
  int timeout_ms = 0;
};

// The search itself is wrong, or not allowed: the operator's.
Fault fault_of(int code) {
  switch (code) {
    case LDAP_FILTER_ERROR:
    case LDAP_PARAM_ERROR:
    case LDAP_INVALID_DN_SYNTAX:
    case LDAP_INVALID_CREDENTIALS:
    case LDAP_INSUFFICIENT_ACCESS:
    case LDAP_INAPPROPRIATE_AUTH:
    case LDAP_STRONG_AUTH_REQUIRED:
    case LDAP_PROTOCOL_ERROR:
      return Fault::config;
    default:
      return Fault::retry;
  }
}

class LdapServer final : public Server {
 public:
  LdapServer(QueryRules rules, Template base, Template filter, Settings settings)
      : rules_(std::move(rules)),
        base_(std::move(base)),
        filter_(std::move(filter)),
        settings_(std::move(settings)) {}

  Result<void> connect(const std::string& host, std::string& detail) override {
    LDAP* raw = nullptr;
    int code = ldap_initialize(&raw, host.c_str());
    connection_.reset(code == LDAP_SUCCESS ? raw : nullptr);
    if (code == LDAP_SUCCESS) code = set_options();
    if (code == LDAP_SUCCESS && settings_.start_tls) {
      code = ldap_start_tls_s(raw, nullptr, nullptr);
    }
    // Without a bind the connection is only made at the first search: an anonymous one finds out
    // now.
    if (code == LDAP_SUCCESS) code = bind();
    if (code == LDAP_SUCCESS) return {};
    detail = ldap_err2string(code);
    disconnect();
    return Error{fault_of(code), 0, "connect to LDAP server"};
  }
  void disconnect() override { connection_.reset(); }

  Result<Answer> ask(std::string_view key, std::string& value, bool& broken,
                     std::string& detail) override {
    std::string base;
    std::string filter;
    if (!rules_.wants(key) || base_.expand(key, key, quote, base) == Answer::absent ||
        filter_.expand(key, key, quote, filter) == Answer::absent) {
      return Answer::absent;
    }
    LDAPMessage* raw = nullptr;
    const int code = search(base, filter, &raw);
    const std::unique_ptr<LDAPMessage, FreeMessage> found(raw);
    if (code == LDAP_NO_SUCH_OBJECT && base_.has_expansions()) return Answer::absent;
    if (code != LDAP_SUCCESS) {
      detail = ldap_err2string(code);
      // Below zero are the library's own: the connection is in an unknown state.
      broken = code < 0 || code == LDAP_UNAVAILABLE || code == LDAP_BUSY;
      return Error{code == LDAP_NO_SUCH_OBJECT ? Fault::config : fault_of(code), 0, "LDAP search"};
    }
    std::string joined;
    std::uint64_t count = 0;
    QV_TRY_VOID(take_entries(key, found.get(), joined, count, detail));
    if (count == 0) return Answer::absent;
    value = std::move(joined);
    return Answer::found;
  }

 private:
  timeval time_limit() const {
    return {settings_.timeout_ms / 1000, (settings_.timeout_ms % 1000) * 1000};
  }

  int set_options() {
    LDAP* l = connection_.get();
    const timeval limit = time_limit();
    int code = ldap_set_option(l, LDAP_OPT_PROTOCOL_VERSION, &settings_.version);
    if (code == LDAP_SUCCESS) code = ldap_set_option(l, LDAP_OPT_NETWORK_TIMEOUT, &limit);
    if (code == LDAP_SUCCESS) code = ldap_set_option(l, LDAP_OPT_TIMEOUT, &limit);
    if (code == LDAP_SUCCESS) code = ldap_set_option(l, LDAP_OPT_DEREF, &settings_.dereference);
    // Referrals would be followed anonymously, to anywhere.
    if (code == LDAP_SUCCESS) code = ldap_set_option(l, LDAP_OPT_REFERRALS, LDAP_OPT_OFF);
    if (code == LDAP_SUCCESS) code = ldap_set_option(l, LDAP_OPT_RESTART, LDAP_OPT_ON);
    if (code != LDAP_SUCCESS) return code;
    const int require = settings_.tls_require_cert ? LDAP_OPT_X_TLS_DEMAND : LDAP_OPT_X_TLS_NEVER;
    code = ldap_set_option(l, LDAP_OPT_X_TLS_REQUIRE_CERT, &require);
    if (code == LDAP_SUCCESS && !settings_.tls_ca_cert_file.empty()) {
      code = ldap_set_option(l, LDAP_OPT_X_TLS_CACERTFILE, settings_.tls_ca_cert_file.c_str());
    }
    const int new_context = 0;
    return code == LDAP_SUCCESS ? ldap_set_option(l, LDAP_OPT_X_TLS_NEWCTX, &new_context) : code;
  }

  int bind() {
    const bool named = settings_.bind;
    std::string password = named ? settings_.bind_pw : std::string();
    berval credentials{password.size(), password.data()};
    return ldap_sasl_bind_s(connection_.get(), named ? settings_.bind_dn.c_str() : "",
                            LDAP_SASL_SIMPLE, &credentials, nullptr, nullptr, nullptr);
  }

  int search(const std::string& base, const std::string& filter, LDAPMessage** found) {
    std::vector<std::string> names = settings_.attributes;
    std::vector<char*> pointers;
    for (std::string& name : names) pointers.push_back(name.data());
    pointers.push_back(nullptr);
    timeval limit = time_limit();
    return ldap_search_ext_s(connection_.get(), base.c_str(), settings_.scope, filter.c_str(),
                             pointers.data(), 0, nullptr, nullptr, &limit, settings_.size_limit,
                             found);
  }

  Result<void> take_entries(std::string_view key, LDAPMessage* found, std::string& joined,
                            std::uint64_t& count, std::string& detail) {
    LDAP* l = connection_.get();
    for (LDAPMessage* entry = ldap_first_entry(l, found); entry != nullptr;
         entry = ldap_next_entry(l, entry)) {
      // In the order of result_attribute, not of the server.
      for (const std::string& name : settings_.attributes) {
        const std::unique_ptr<berval*, FreeValues> values(
            ldap_get_values_len(l, entry, name.c_str()));
        for (berval** v = values.get(); v != nullptr && *v != nullptr; ++v) {
          const Result<void> added = rules_.add(key, {(*v)->bv_val, (*v)->bv_len}, joined, count);
          if (!added.ok()) detail = added.error().what;
          QV_TRY_VOID(added);
        }
      }
    }
    return {};
  }

  QueryRules rules_;
  Template base_;
  Template filter_;
  Settings settings_;
  std::unique_ptr<LDAP, Unbind> connection_;
};

// The index of the value of a parameter among `words`, the first where it is none of them.
int choose(QueryConfig& config, const std::string& name, const std::vector<std::string>& words) {
  const std::string value = config.text(name, words.front());
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (words[i] == value) return static_cast<int>(i);
  }
  config.note(name + " = " + value + ": not a word that can stand here");
  return 0;
}

Template template_of(QueryConfig& config, const std::string& name, std::string_view fallback) {
  Template out;
  std::string wrong;
  if (!Template::parse(config.text(name, fallback), out, wrong)) config.note(name + ": " + wrong);
  return out;
}

std::vector<std::string> hosts_of(QueryConfig& config) {
  const std::uint64_t port = config.number("server_port", 389, 1, 65535);
  std::vector<std::string> hosts;
  for (const std::string& host : config.list("server_host", "localhost")) {
    const bool url = host.find("://") != std::string::npos;
    const bool has_port = host.find(':') != std::string::npos;
    hosts.push_back(url ? host : "ldap://" + host + (has_port ? "" : ":" + std::to_string(port)));
  }
  if (hosts.empty()) config.note("server_host: no host");
  return hosts;
}

Settings settings_of(QueryConfig& config) {
  constexpr std::array<int, 3> kScopes{LDAP_SCOPE_SUBTREE, LDAP_SCOPE_BASE, LDAP_SCOPE_ONELEVEL};
  Settings s;
  s.attributes = config.list("result_attribute", "maildrop");
  s.scope = kScopes[static_cast<std::size_t>(choose(config, "scope", {"sub", "base", "one"}))];
  s.bind = config.yes("bind", true);
  s.bind_dn = config.text("bind_dn");
  s.bind_pw = config.text("bind_pw");
  s.start_tls = config.yes("start_tls", false);
  s.tls_ca_cert_file = config.text("tls_ca_cert_file");
  s.tls_require_cert = config.yes("tls_require_cert", false);
  s.dereference = static_cast<int>(config.number("dereference", 0, 0, 3));
  s.size_limit = static_cast<int>(config.number("size_limit", 0, 0, 1'000'000));
  s.version = static_cast<int>(config.number("version", 3, 2, 3));
  s.timeout_ms = config.milliseconds("timeout", 10);
  if (s.attributes.empty()) config.note("result_attribute: no attribute");
  return s;
}

Result<std::unique_ptr<Map>> open_ldap(const MapSpec& spec, std::string& detail) {
  QV_TRY(QueryConfig config, QueryConfig::read(std::string(strip_braces(spec.name)), detail));
  QueryRules rules(config);
  Template base = template_of(config, "search_base", "");
  Template filter = template_of(config, "query_filter", "(mailacceptinggeneralid=%s)");
  Settings settings = settings_of(config);
  std::vector<std::string> hosts = hosts_of(config);
  QV_TRY_VOID(check_config(config, {"search_base"}, detail));
  if (config.has("bind_pw")) detail = warn_if_exposed(config.stamp());
  return make_server_map(std::make_unique<LdapServer>(std::move(rules), std::move(base),
                                                      std::move(filter), std::move(settings)),
                         std::move(hosts), {config.stamp()});
}

}  // namespace

extern const MapType map_type_ldap;
const MapType map_type_ldap{
    "ldap", {.networked = true}, "/path.cf: a search in an LDAP directory", open_ldap};

}  // namespace qv
