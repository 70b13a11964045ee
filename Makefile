# Two commands do all the set-up: `make demo` builds and runs the main job on input that it makes
# itself, `make test` passes all tests. The rest is for those who change the code.
.PHONY: demo test lint check-examples schemas bench clean-demo

demo:
	@scripts/install-system.sh
	@scripts/demo.sh

# Programs of other packages are not built by `cargo test`, so they are built first; with `--tests`, or
# cargo would choose other features and build most dependencies twice.
test:
	@scripts/install-system.sh tests
	@python=$$(scripts/python-env.sh) && server=$$(scripts/node-env.sh) && \
	cargo build --workspace --bins --examples --tests && \
	FRAZIL_PYTHON=$$python FRAZIL_YAML_SERVER=$$server cargo test --workspace

# The docs are for those who change the code: links to private items lead somewhere.
lint:
	@scripts/install-system.sh
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings -A rustdoc::private_intra_doc_links" cargo doc --workspace --no-deps --document-private-items

check-examples:
	cargo build --workspace --bins --examples --tests
	$${CARGO_TARGET_DIR:-target}/debug/frazil check pipelines examples

schemas:
	UPDATE=1 cargo test -p frazil-tests --test all -- schema reference

clean-demo:
	rm -rf .demo
