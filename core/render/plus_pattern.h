// Policy texts as regular expressions of nginx's map: the whole value, in its case.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace meshauth::render {

/// Every character of the text as itself.
std::string escape_regex(std::string_view text);

/// "~\Atext\z"
std::string exact_key(std::string_view text);

/// A subject: exact, or with one * for any rest.
std::string wildcard_key(std::string_view text);

/// One of the values of a string of scopes (RFC 6749 section 3.3).
std::string scope_key(std::string_view scope);

/// A path pattern against $request_uri where that is plain (plain_path_key). nullopt: it has characters that a client
/// may spell in another way, which a map would not see.
std::optional<std::string> path_key(std::string_view pattern);

/// A host pattern against $host, which nginx has made lower case and whose last dot it has taken off. nullopt: an IPv6
/// address, which a client may spell in other ways.
std::optional<std::string> host_key(std::string_view pattern);

/// "$host/$http_host" where both are one host, and a host that is decided on (policy::normalize_host): nginx itself
/// takes a request whose target names another host than its Host.
std::string one_host_key();

/// A $request_uri whose path has one spelling: no %, no dot segment, no empty segment but the last.
std::string plain_path_key();

}  // namespace meshauth::render
