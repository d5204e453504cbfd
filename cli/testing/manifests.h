// Resources for tests of decide, explain, test and lint. Never part of a program.
#pragma once

namespace meshauth::cli::testing {

/// Workload shop/orders: readers with scope read on /orders, owners on their own path, nobody on /admin; mesh-wide
/// deny.
constexpr const char* kShop = R"(
apiVersion: meshauth.dev/v1alpha1
kind: IdentityProvider
metadata: {name: idp, namespace: shop}
spec:
  issuer: https://idp
  audiences: [api]
  allowedNamespaces: {from: All}
---
apiVersion: meshauth.dev/v1alpha1
kind: AccessPolicy
metadata: {name: orders, namespace: shop}
spec:
  workloads: [orders]
  rules:
  - name: read
    action: Allow
    from: [{identityProvider: {name: idp}, scopes: {all: [read]}}]
    to: [{methods: [GET], paths: ["/orders/**"], hosts: [orders.example.com], ports: [8080]}]
  - name: own
    action: Allow
    from: [{identityProvider: {name: idp}}]
    to: [{paths: ["/users/{id}/**"]}]
    when: [{pathVariable: id, equalsClaim: [sub]}]
  - name: office
    action: Allow
    from: [{anyone: true}]
    to: [{paths: [/health]}]
    when: [{sourceIPs: [10.0.0.0/8]}, {header: X-Probe, values: ["yes"]}]
---
apiVersion: meshauth.dev/v1alpha1
kind: AccessPolicy
metadata: {name: revoked, namespace: mesh-auth-system}
spec:
  rules:
  - name: mallory
    action: Deny
    from: [{identityProvider: {name: idp, namespace: shop}, subjects: [mallory]}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: orders, namespace: shop}
)";

}  // namespace meshauth::cli::testing
