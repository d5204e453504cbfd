module meshauth.dev/e2e/box

go 1.26
