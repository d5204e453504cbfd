#include "sidecar/agent/options.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <thread>

#include "core/base/text.h"
#include "core/bundle/wire.h"

namespace meshauth::agent {
namespace {

constexpr std::string_view kPortCharacters = "0123456789";
constexpr std::size_t kMostWorkers = 64;
constexpr std::size_t kMostAutomaticWorkers = 8;

std::optional<std::uint16_t> parse_port(std::string_view text) {
  unsigned port = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), port);
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size() || port == 0 || port > 65535) {
    return std::nullopt;
  }
  return static_cast<std::uint16_t>(port);
}

struct Endpoint {
  std::string address;  // empty: none was given
  std::uint16_t port = 0;
};

// Takes PORT, ADDRESS:PORT or [ADDRESS]:PORT off the front of a list that colons separate.
std::optional<Endpoint> take_endpoint(std::string_view& rest) {
  const auto take = [&rest] {
    const auto end = rest.starts_with('[') ? rest.find(':', rest.find(']')) : rest.find(':');
    const auto word = rest.substr(0, end);
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    return word;
  };
  Endpoint endpoint;
  auto word = take();
  if (word.find_first_not_of(kPortCharacters) != std::string_view::npos) {
    endpoint.address = word;
    word = take();
  }
  const auto port = parse_port(word);
  if (!port) return std::nullopt;
  endpoint.port = *port;
  return endpoint;
}

bool is_address(std::string_view text) {
  if (text.starts_with('[')) {
    return text.ends_with(']') &&
           text.substr(1, text.size() - 2).find_first_not_of("0123456789abcdefABCDEF:.") == std::string_view::npos;
  }
  return text == "localhost" || (!text.empty() && text.find_first_not_of("0123456789.") == std::string_view::npos);
}

std::string with_port(const Endpoint& endpoint, const std::string& default_address) {
  const auto& address = endpoint.address.empty() ? default_address : endpoint.address;
  return address.empty() ? std::to_string(endpoint.port) : fmt::format("{}:{}", address, endpoint.port);
}

std::string default_work_dir(const std::string& bundle_dir) {
  return bundle_dir + ".nginx";
}

// A sidecar on a machine of 64 processors must not take 64 workers: what its container may use, at most eight.
std::size_t default_workers() {
  std::size_t processors = std::thread::hardware_concurrency();
  std::ifstream limit("/sys/fs/cgroup/cpu.max");  // "QUOTA PERIOD" or "max PERIOD" (cgroup v2, cpu controller)
  std::size_t quota = 0;
  std::size_t period = 0;
  if (limit >> quota >> period && period > 0) processors = std::min(processors, (quota + period - 1) / period);
  return std::clamp<std::size_t>(processors, 1, kMostAutomaticWorkers);
}

// --drain stands alone: what an agent that runs has to have is not asked for.
struct Drain {
  std::string file;
};

// What CLI11 reads as text, before it becomes the options.
struct Raw {
  std::string operator_url;
  std::string flavour = "Module";
  std::vector<std::string> maps;
  std::string listen_address;
  std::vector<std::string> probes;
  std::string workers = "auto";
  std::string log_format = "auto";
  std::string log_level = "info";
  std::string preflight = "Decide";
  std::int64_t quit_timeout = 25;
};

void add_options(CLI::App& app, Options& options, Raw& raw) {
  app.add_option("--workload", options.workload, "The workload of this pod, NAMESPACE/NAME")->required();
  app.add_option("--operator", raw.operator_url, "Where the operator's fleet port is, https://HOST:PORT")->required();
  app.add_option("--token-file", options.token_file, "File with this pod's token for the operator; read at each dial")
      ->required();
  app.add_option("--trust", options.trust_file, "trust.json: public keys of bundles, authorities of the fleet port")
      ->required();
  app.add_option("--bundle-dir", options.bundle_dir, "Folder for bundles, on a memory volume")->required();
  app.add_option("--fallback-dir", options.fallback_dir,
                 "Mounted ConfigMap of this workload's bundle, read while the operator cannot be reached");
  app.add_option("--work-dir", options.work_dir,
                 "Folder for nginx.conf, sockets and temporary files; default: "
                 "--bundle-dir with .nginx after it");
  app.add_option(
      "--instance", options.instance,
      "Name of this agent where tokens do not name the pod (standalone), a DNS label; default: the workload's");
  app.add_option("--map", raw.maps,
                 "LISTEN:APP[:http1|grpc], may be repeated: nginx listens on LISTEN and passes to APP; each is a PORT "
                 "or ADDRESS:PORT")
      ->required();
  app.add_option("--listen-address", raw.listen_address,
                 "The IP address on which nginx listens where --map names a port alone; default: all of IPv4");
  app.add_option("--probe", raw.probes,
                 "CONTAINER/KIND=JSON, may be repeated: a probe of the application, which is asked for as "
                 "/probe/CONTAINER/KIND of --health-listen; JSON: the probe's httpGet or tcpSocket and timeoutSeconds")
      ->expected(1)
      ->take_all();
  app.add_option("--flavour", raw.flavour,
                 "Module: our module in nginx decides. AuthRequest: a stock nginx asks this agent. As the label "
                 "meshauth.dev/flavour of the pod says")
      ->capture_default_str();
  app.add_option("--nginx", options.nginx, "The nginx program")->capture_default_str();
  app.add_option("--module", options.module, "The nginx module")->capture_default_str();
  app.add_option("--templates", options.templates, "Folder with nginx.conf.mustache")->capture_default_str();
  app.add_option("--health-listen", options.health_listen,
                 "ADDRESS:PORT of /startz, /healthz, /readyz, /status and /probe/")
      ->capture_default_str();
}

void add_nginx_options(CLI::App& app, Options& options, Raw& raw) {
  app.add_option("--mode", options.mode, "on, or observe: decide and log, but let everything pass")
      ->check(CLI::IsMember({"on", "observe"}))
      ->capture_default_str();
  app.add_option("--path-allow", options.path_allow,
                 "encoded-slash,semicolon,double-slash: which of these are plain data in a path, not a 400");
  app.add_option("--preflight", raw.preflight, "Decide, or Pass: CORS preflights go to the application undecided")
      ->check(CLI::IsMember({"Decide", "Pass"}))
      ->capture_default_str();
  app.add_option("--error-body", options.error_body, "json or plain")
      ->check(CLI::IsMember({"json", "plain"}))
      ->capture_default_str();
  app.add_option("--resource-metadata", options.resource_metadata,
                 "URL of the protected resource's metadata (RFC 9728), named in challenges; the document is served "
                 "here if its path is /.well-known/oauth-protected-resource, with or without more after it");
  app.add_option("--audit-allowed", options.audit_allowed, "How many of the allowed requests are logged, 0 to 1")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  app.add_option("--workers", raw.workers,
                 "nginx's worker processes: auto (one per processor that it may use, at most 8) or a number")
      ->capture_default_str();
  app.add_option("--token-cache", options.token_cache, "Of each worker, for verified tokens: 64k to 4096m")
      ->capture_default_str();
  app.add_option("--quit-timeout", raw.quit_timeout, "Seconds that requests get to end when this program is stopped")
      ->check(CLI::Range(1, 86400))
      ->capture_default_str();
  app.add_option("--log-format", raw.log_format, "auto, json or text")->capture_default_str();
  app.add_option("--log-level", raw.log_level, "debug, info, warning or error")->capture_default_str();
  app.add_option_function<std::string>(
         "--drain", [](const std::string& file) { throw Drain{file}; },
         "Alone: tells the agent whose process id is in this file (agent.pid in its --work-dir) that its pod is "
         "ending, so that clients do not keep their connections to it")
      ->trigger_on_parse();
}

Status read_logging(const Raw& raw, Options& options) {
  const auto format = log::parse_format(raw.log_format);
  if (!format) return fail("--log-format: {}", format.error().message);
  const auto level = log::parse_level(raw.log_level);
  if (!level) return fail("--log-level: {}", level.error().message);
  options.log_format = *format;
  options.log_level = *level;
  return {};
}

Status read_workers(const Raw& raw, Options& options) {
  options.workers = default_workers();
  if (raw.workers == "auto") return {};
  const auto number = parse_port(raw.workers);
  if (!number || *number > kMostWorkers) {
    return fail("--workers is {}; auto, or a number from 1 to {}", in_quotes(raw.workers), kMostWorkers);
  }
  options.workers = *number;
  return {};
}

/// The address as nginx's listen takes it.
Result<std::string> read_listen_address(const std::string& text) {
  net::error_code error;
  const auto address = net::asio::ip::make_address(text, error);
  if (error) return fail("--listen-address is {}; an IP address would be right", in_quotes(text));
  return address.is_v6() ? fmt::format("[{}]", text) : text;
}

Status read_probes(const Raw& raw, Options& options) {
  for (const auto& text : raw.probes) {
    auto probe = parse_app_probe(text);
    if (!probe) return tl::unexpected(probe.error());
    for (const auto& other : options.probes) {
      if (other.name == probe->name) return fail("--probe: {} is there twice", probe->name);
    }
    options.probes.push_back(std::move(*probe));
  }
  return {};
}

Status read_mappings(const Raw& raw, Options& options) {
  std::string address;
  if (!raw.listen_address.empty()) {
    auto read = read_listen_address(raw.listen_address);
    if (!read) return tl::unexpected(read.error());
    address = std::move(*read);
  }
  for (const auto& text : raw.maps) {
    auto mapping = parse_mapping(text);
    if (!mapping) return tl::unexpected(mapping.error());
    const bool port_alone = mapping->listen.find_first_not_of(kPortCharacters) == std::string::npos;
    if (port_alone && !address.empty()) mapping->listen = fmt::format("{}:{}", address, mapping->listen);
    for (const auto& other : options.mappings) {
      if (other.listen == mapping->listen) return fail("--map: two servers listen on {}", mapping->listen);
    }
    options.mappings.push_back(std::move(*mapping));
  }
  return {};
}

Status check(const Raw& raw, Options& options) {
  const auto parts = split(options.workload, '/');
  if (parts.size() != 2 || !bundle::is_dns_label(parts[0]) || !bundle::is_dns_label(parts[1])) {
    return fail("--workload is {}; NAMESPACE/NAME, both DNS labels, would be right", in_quotes(options.workload));
  }
  if (!options.instance.empty() && !bundle::is_dns_label(options.instance)) {
    return fail("--instance is {}; a DNS label would be right", in_quotes(options.instance));
  }
  if (options.instance.empty()) options.instance = parts[1];
  const auto flavour = model::parse_flavour(raw.flavour);
  if (!flavour) return fail("--flavour is {}; {} would be right", in_quotes(raw.flavour), model::kFlavourNames);
  if (*flavour == model::Flavour::NginxPlus) {
    return fail("--flavour is NginxPlus, which this agent does not run; Module or AuthRequest would be right");
  }
  options.flavour = *flavour;
  auto url = parse_operator_url(raw.operator_url);
  if (!url) return tl::unexpected(url.error());
  options.operator_url = std::move(*url);
  options.preflight = to_lower(raw.preflight);
  options.quit_timeout = std::chrono::seconds(raw.quit_timeout);
  if (options.work_dir.empty()) options.work_dir = default_work_dir(options.bundle_dir);
  // nginx takes absolute paths alone, and it does not start in our folder.
  for (auto* path : {&options.bundle_dir, &options.trust_file, &options.work_dir, &options.module, &options.nginx}) {
    *path = std::filesystem::absolute(*path).lexically_normal().string();
  }
  if (const auto read = read_logging(raw, options); !read) return read;
  if (const auto read = read_workers(raw, options); !read) return read;
  if (const auto read = read_probes(raw, options); !read) return read;
  return read_mappings(raw, options);
}

}  // namespace

Result<Mapping> parse_mapping(std::string_view text) {
  const auto wrong = [text](std::string_view why) {
    return fail(
        "--map is {}: {}; LISTEN:APP[:http1|grpc] would be right, such as 8443:8080 or "
        "0.0.0.0:9000:127.0.0.1:9001:grpc",
        in_quotes(text), why);
  };
  std::string_view rest = text;
  const auto listen = take_endpoint(rest);
  if (!listen) return wrong("LISTEN is no PORT or ADDRESS:PORT");
  const auto application = take_endpoint(rest);
  if (!application) return wrong("APP is no PORT or ADDRESS:PORT");
  for (const auto* endpoint : {&*listen, &*application}) {
    if (!endpoint->address.empty() && !is_address(endpoint->address)) return wrong("an address is no IP address");
  }
  Mapping mapping{with_port(*listen, ""), with_port(*application, "127.0.0.1"), application->port,
                  Mapping::Protocol::Http1};
  if (rest == "grpc") {
    mapping.protocol = Mapping::Protocol::Grpc;
  } else if (!rest.empty() && rest != "http1") {
    return wrong("the protocol is neither http1 nor grpc");
  }
  if (mapping.listen == mapping.application) return wrong("nginx would pass to itself");
  return mapping;
}

Result<OperatorUrl> parse_operator_url(std::string_view text) {
  constexpr std::string_view kScheme = "https://";
  const auto wrong = [text] { return fail("--operator is {}; https://HOST:PORT would be right", in_quotes(text)); };
  if (!text.starts_with(kScheme)) return wrong();
  std::string_view rest = text.substr(kScheme.size());
  if (rest.ends_with('/')) rest.remove_suffix(1);
  const auto host_end = rest.starts_with('[') ? rest.find(']') : std::string_view::npos;
  const auto colon = rest.find(':', host_end == std::string_view::npos ? 0 : host_end);
  std::string_view host = rest.substr(0, colon);
  const auto port = colon == std::string_view::npos ? std::string_view("443") : rest.substr(colon + 1);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  constexpr std::string_view kHost = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-:";
  if (host.empty() || host.find_first_not_of(kHost) != std::string_view::npos || !parse_port(port)) return wrong();
  return OperatorUrl{std::string(host), std::string(port)};
}

Usage parse_options(int argc, const char* const* argv) {
  CLI::App app("mesh-auth-agent: keeps the bundle of one workload, and nginx that enforces it.", "mesh-auth-agent");
  app.set_version_flag("--version", MESH_AUTH_VERSION);
  Options options;
  Raw raw;
  add_options(app, options, raw);
  add_nginx_options(app, options, raw);
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    return {std::nullopt, app.help(), 0, ""};
  } catch (const CLI::CallForVersion&) {
    return {std::nullopt, MESH_AUTH_VERSION "\n", 0, ""};
  } catch (const Drain& asked) {
    return {std::nullopt, "", 0, asked.file};
  } catch (const CLI::ParseError& error) {
    return {std::nullopt, fmt::format("{}\nRun mesh-auth-agent --help for what there is.\n", error.what()), 2, ""};
  }
  if (const auto checked = check(raw, options); !checked) return {std::nullopt, checked.error().message + "\n", 2, ""};
  return {std::move(options), "", 0, ""};
}

}  // namespace meshauth::agent
