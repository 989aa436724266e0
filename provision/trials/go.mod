module github.com/infinitysip/infinitysip/provision/trials

go 1.26

require (
	github.com/infinitysip/infinitysip v0.0.0
	github.com/stretchr/testify v1.12.1
	golang.org/x/text v0.41.0
	pgregory.net/rapid v1.3.0
)

require (
	github.com/google/go-querystring v1.2.0 // indirect
	github.com/hashicorp/go-cleanhttp v0.5.2 // indirect
	github.com/hashicorp/go-retryablehttp v0.7.8 // indirect
	go.yaml.in/yaml/v3 v3.0.5 // indirect
)

replace github.com/infinitysip/infinitysip => ../..
