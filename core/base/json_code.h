// nlohmann's parser, serializer and the like, compiled once (json_code.cc) and not in each file that uses them: half a
// second each. Comes with the precompiled header "json", and nobody includes it.
#pragma once

#include <initializer_list>
#include <nlohmann/json.hpp>
#include <string>

// MESH_AUTH_JSON_CODE is empty where the code is made.
#ifndef MESH_AUTH_JSON_CODE
#define MESH_AUTH_JSON_CODE extern
#endif

namespace meshauth::json_code {
using FromPointer = nlohmann::detail::iterator_input_adapter<const char*>;
using FromString = nlohmann::detail::iterator_input_adapter<std::string::const_iterator>;
}  // namespace meshauth::json_code

MESH_AUTH_JSON_CODE template class nlohmann::detail::serializer<nlohmann::json>;
MESH_AUTH_JSON_CODE template class nlohmann::detail::json_sax_dom_parser<nlohmann::json>;
MESH_AUTH_JSON_CODE template class nlohmann::detail::json_sax_dom_callback_parser<nlohmann::json>;
MESH_AUTH_JSON_CODE template class nlohmann::detail::lexer<nlohmann::json, meshauth::json_code::FromPointer>;
MESH_AUTH_JSON_CODE template class nlohmann::detail::parser<nlohmann::json, meshauth::json_code::FromPointer>;
MESH_AUTH_JSON_CODE template class nlohmann::detail::lexer<nlohmann::json, meshauth::json_code::FromString>;
MESH_AUTH_JSON_CODE template class nlohmann::detail::parser<nlohmann::json, meshauth::json_code::FromString>;
MESH_AUTH_JSON_CODE template nlohmann::json::basic_json(const nlohmann::json&);
MESH_AUTH_JSON_CODE template nlohmann::json::basic_json(
    std::initializer_list<nlohmann::detail::json_ref<nlohmann::json>>, bool, nlohmann::detail::value_t);
MESH_AUTH_JSON_CODE template void nlohmann::json::json_value::destroy(nlohmann::detail::value_t);
MESH_AUTH_JSON_CODE template std::string nlohmann::json::dump(int, char, bool, nlohmann::detail::error_handler_t) const;
