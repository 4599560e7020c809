"""The same gate as a test: pytest finds the fixture `padiff` by itself."""


def test_the_port_agrees_with_the_reference(padiff):
    padiff.compare("../spec.yaml").assert_agree()
