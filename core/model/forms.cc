#include "core/model/forms.h"

#include <algorithm>

#include "core/base/cidr.h"
#include "core/base/text.h"

namespace meshauth::model {
namespace {

using std::string_view;

constexpr bool digit(char c) {
  return c >= '0' && c <= '9';
}
constexpr bool lower(char c) {
  return c >= 'a' && c <= 'z';
}
constexpr bool upper(char c) {
  return c >= 'A' && c <= 'Z';
}
constexpr bool alnum(char c) {
  return digit(c) || lower(c) || upper(c);
}
constexpr bool lower_alnum(char c) {
  return digit(c) || lower(c);
}
constexpr bool control(char c) {
  return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
}
constexpr bool blank(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\f' || c == '\r';
}
constexpr bool token_char(char c) {
  return alnum(c) || string_view("!#$%&'*+.^_`|~-").find(c) != string_view::npos;
}

template <class Pred>
bool all(string_view text, Pred pred) {
  return std::all_of(text.begin(), text.end(), pred);
}

/// Not empty, all characters `inner`, the first and the last `outer`.
template <class Inner, class Outer>
bool bounded(string_view text, Inner inner, Outer outer) {
  return !text.empty() && outer(text.front()) && outer(text.back()) && all(text, inner);
}

bool dns_label(string_view text) {
  return bounded(
      text, [](char c) { return lower_alnum(c) || c == '-'; }, lower_alnum);
}

bool dns_subdomain(string_view text) {
  const auto labels = split(text, '.');
  return std::all_of(labels.begin(), labels.end(), dns_label);
}

bool no_star(string_view text) {
  return !text.empty() && text.find('*') == string_view::npos;
}
bool subject(string_view text) {
  return std::count(text.begin(), text.end(), '*') <= 1;
}

bool scope(string_view text) {
  return !text.empty() && all(text, [](char c) { return c > ' ' && c < 0x7f && c != '"' && c != '\\'; });
}

bool method(string_view text) {
  return !text.empty() && upper(text.front()) && all(text, [](char c) { return upper(c) || c == '-'; });
}

bool variable(string_view text) {
  return !text.empty() && text.size() <= 63 && !digit(text.front()) &&
         all(text, [](char c) { return alnum(c) || c == '_'; });
}

bool path_segment(string_view text) {
  if (text == "*") return true;
  if (text.starts_with('{')) return text.ends_with('}') && text.size() > 2 && variable(text.substr(1, text.size() - 2));
  constexpr string_view kForbidden = "*{}?#%\\";
  return !text.empty() && text != "." && text != ".." &&
         all(text, [&](char c) { return !control(c) && kForbidden.find(c) == string_view::npos; });
}

bool path_pattern(string_view text) {
  if (!text.starts_with('/')) return false;
  auto segments = split(text.substr(1), '/');
  if (segments.back().empty() || segments.back() == "**") segments.pop_back();
  return std::all_of(segments.begin(), segments.end(), path_segment);
}

bool host_pattern(string_view text) {
  if (text.starts_with('[')) {
    return text.ends_with(']') && text.find(':') != string_view::npos &&
           all(text.substr(1, text.size() - 2),
               [](char c) { return digit(c) || (c >= 'a' && c <= 'f') || c == ':' || c == '.'; }) &&
           IpAddress::parse(text.substr(1, text.size() - 2)).has_value();
  }
  if (text.starts_with("*.")) text.remove_prefix(2);
  const auto labels = split(text, '.');
  return std::all_of(labels.begin(), labels.end(),
                     [](string_view label) { return label.size() <= 63 && dns_label(label); });
}

bool header_name(string_view text) {
  return !text.empty() && all(text, [](char c) { return alnum(c) || c == '-'; });
}

bool token(string_view text) {
  return !text.empty() && all(text, token_char);
}

bool forward_header(string_view text) {
  if (text.empty() || digit(text.front())) return false;
  const auto parts = split(text, '-');
  return std::all_of(parts.begin(), parts.end(), [](string_view part) { return !part.empty() && all(part, alnum); });
}

bool cidr(string_view text) {
  return Cidr::parse(text).has_value();
}

/// Takes `https://host[:port]` off the text; false if it does not begin so.
bool take_origin(string_view& text) {
  constexpr string_view kScheme = "https://";
  if (!text.starts_with(kScheme)) return false;
  text.remove_prefix(kScheme.size());
  std::size_t end = 0;
  if (text.starts_with('[')) {
    end = text.find(']');
    constexpr string_view kAddress = "0123456789abcdefABCDEF:.";
    if (end == string_view::npos || end == 1 ||
        text.substr(1, end - 1).find_first_not_of(kAddress) != string_view::npos) {
      return false;
    }
    ++end;
  } else {
    const auto host_char = [](char c) { return alnum(c) || c == '.' || c == '-'; };
    end = static_cast<std::size_t>(std::find_if_not(text.begin(), text.end(), host_char) - text.begin());
    if (!bounded(text.substr(0, end), host_char, alnum)) return false;
  }
  text.remove_prefix(end);
  if (!text.starts_with(':')) return true;
  std::size_t digits = 1;
  while (digits < text.size() && digit(text[digits])) ++digits;
  if (digits == 1 || digits > 6) return false;
  text.remove_prefix(digits);
  return true;
}

bool issuer(string_view text) {
  if (!take_origin(text)) return false;
  if (text.empty()) return true;
  if (text.front() != '/') return false;
  constexpr string_view kTemplate = "{tenantid}";
  const auto plain = [](string_view part) {
    return all(part,
               [](char c) { return alnum(c) || string_view("._~!$&'()*+,;=:@%/-").find(c) != string_view::npos; });
  };
  const auto at = text.find(kTemplate);
  if (at == string_view::npos) return plain(text);
  return plain(text.substr(0, at)) && plain(text.substr(at + kTemplate.size()));
}

bool issuer_alias(string_view text) {
  return !text.empty() && all(text, [](char c) { return (c >= '!' && c <= 'z') || c == '|' || c == '~'; });
}

bool url(string_view text) {
  if (!take_origin(text)) return false;
  if (!all(text, [](char c) { return !blank(c) && c != '#'; })) return false;
  return text.empty() || text.front() == '/' || text.front() == '?';
}

bool audience(string_view text) {
  return !text.empty() && all(text, [](char c) { return !control(c); });
}

bool token_type(string_view text) {
  const auto parts = split(text, '/');
  return parts.size() <= 2 && std::all_of(parts.begin(), parts.end(), [](string_view part) {
           return !part.empty() && alnum(part.front()) &&
                  all(part, [](char c) { return alnum(c) || string_view("!#$&^_.+-").find(c) != string_view::npos; });
         });
}

constexpr bool label_char(char c) {
  return alnum(c) || c == '-' || c == '_' || c == '.';
}

bool label_value(string_view text) {
  return text.empty() || bounded(text, label_char, alnum);
}

bool label_key(string_view text) {
  if (const auto slash = text.find('/'); slash != string_view::npos) {
    if (!dns_subdomain(text.substr(0, slash))) return false;
    text.remove_prefix(slash + 1);
  }
  return text.size() <= 63 && bounded(text, label_char, alnum);
}

/// A member `name` somewhere in JSON text, found as the schema finds it: without reading the JSON.
bool has_member(string_view text, string_view name) {
  for (auto at = text.find('"'); at != string_view::npos; at = text.find('"', at + 1)) {
    string_view rest = text.substr(at + 1);
    if (!rest.starts_with(name)) continue;
    rest.remove_prefix(name.size());
    if (!rest.starts_with('"')) continue;
    rest.remove_prefix(1);
    while (!rest.empty() && blank(rest.front())) rest.remove_prefix(1);
    if (rest.starts_with(':')) return true;
  }
  return false;
}

bool inline_jwks(string_view text) {
  for (const string_view secret : {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}) {
    if (has_member(text, secret)) return false;
  }
  while (!text.empty() && blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && blank(text.back())) text.remove_suffix(1);
  return text.size() >= 2 && text.front() == '{' && text.back() == '}';
}

bool ca_bundle(string_view text) {
  return text.find("-----BEGIN CERTIFICATE-----") != string_view::npos && text.find("PRIVATE KEY") == string_view::npos;
}

}  // namespace

const Form kDnsLabel{1, 63, dns_label,
                     "write lower-case letters, digits and inner hyphens, at most 63, such as orders"};
const Form kDnsSubdomain{1, 253, dns_subdomain,
                         "write lower-case letters, digits, inner hyphens and dots, such as okta"};
const Form kText{1, 256, nullptr, "write 1 to 256 characters"};
const Form kNoStar{1, 256, no_star, "it is compared exactly: write 1 to 256 characters without *"};
const Form kSubject{1, 256, subject,
                    "write 1 to 256 characters with at most one *, such as system:serviceaccount:shop:*"};
const Form kScope{1, 256, scope, "write one scope per entry: printable ASCII without blanks, quotes and backslashes"};
const Form kMethod{1, 32, method, "write one method in upper case, such as GET"};
const Form kPathPattern{
    1, 1024, path_pattern,
    "write an absolute path in plain text whose segments are text, {name} or *, with ** at most as the "
    "last, such as /users/{id}/**"};
const Form kHostPattern{
    1, 253, host_pattern,
    "write a host in lower case without port, *. before one, or an IPv6 address in brackets, such as "
    "*.example.com"};
const Form kVariable{1, 63, variable, "write the name between the braces of a path: letters, digits and _, such as id"};
const Form kHeaderName{1, 64, header_name, "write a header's name: letters, digits and hyphens, such as X-Tenant"};
const Form kToken{1, 64, token, "write one word without blanks, such as Bearer"};
const Form kForwardHeader{1, 64, forward_header,
                          "write letters, digits and single inner hyphens, such as X-User-Email"};
const Form kCidr{1, 64, cidr, "write a network whose host bits are zero, such as 10.0.0.0/8 or 2001:db8::/32"};
const Form kIssuer{1, 256, issuer,
                   "must be an https URL without user, query and fragment, exactly as in claim iss, such as "
                   "https://dev-1.okta.com/oauth2/default"};
const Form kIssuerAlias{1, 256, issuer_alias, "write a value of claim iss: printable ASCII without blanks and braces"};
const Form kUrl{1, 1024, url, "write an https URL without user and fragment, such as https://login.example.com/keys"};
const Form kAudience{1, 256, audience, "write 1 to 256 characters without control characters, such as api://orders"};
const Form kTokenType{1, 64, token_type, "write a value of the token's typ, such as at+jwt"};
const Form kLabelKey{1, 317, label_key, "write a label's key, such as team or example.com/team"};
const Form kLabelValue{0, 63, label_value, "write a label's value: letters, digits, and inner hyphens, dots and _"};
const Form kInlineJwks{1, 65536, inline_jwks,
                       "write one JSON object of at most 65536 characters that holds public members only; a private or "
                       "symmetric key that stood here has been shown and must be replaced"};
const Form kCaBundle{
    1, 65536, ca_bundle,
    "write PEM certificates only, at most 65536 characters; a private key that stood here has been shown "
    "and must be replaced"};
const Form kDuration{1, 32, nullptr, ""};

std::size_t code_points(std::string_view text) noexcept {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

bool fits(const Form& form, std::string_view text) {
  const std::size_t length = code_points(text);
  return length >= form.least && length <= form.most && (form.valid == nullptr || form.valid(text));
}

}  // namespace meshauth::model
