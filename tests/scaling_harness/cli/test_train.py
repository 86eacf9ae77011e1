"""`train`: what it prints and how it ends."""


def test_train_says_where_its_record_is(tiny, call, capsys):
    assert call("train", *tiny) == 0
    said = capsys.readouterr().out
    assert "nats/token" in said
    assert said.strip().endswith("record.json")


def test_a_diverged_run_is_a_result_and_exit_code_1(tiny, call, capsys):
    assert call("train", *tiny, "optim.lr=1e9", "optim.grad_clip=null", "budget.n_tokens=6400") == 1
    assert "diverged: the loss was" in capsys.readouterr().out
