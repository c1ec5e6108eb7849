import pytest

from xai_audit.data._classes import ordered, read_class_to_idx
from xai_audit.errors import DatasetError


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("t.json", '{"rose": 2, "a, b": 0}'),
        ("t.csv", 'class,index\nrose,2\n"a, b",0\n'),
        ("t.csv", 'rose,2\n"a, b",0\n\n'),
        ("t.json", '{"2": "rose", "0": "a, b"}'),
        ("config.json", '{"model_type": "vit", "id2label": {"0": "a, b", "2": "rose"}}'),
        ("config.json", '{"label2id": {"a, b": 0, "rose": 2}, "id2": 3}'),
        ("t.CSV", '\ufeffclass,index,comment\r\nrose, 2,x\r\n"a, b",0,y\r\n'),
    ],
)
def test_json_and_csv_read_alike(tmp_path, name, text):
    (tmp_path / name).write_text(text, encoding="utf-8", newline="")
    assert read_class_to_idx(str(tmp_path / name)) == {"rose": 2, "a, b": 0}


def test_a_list_is_the_classes_in_their_order(tmp_path):
    (tmp_path / "t.json").write_text('["rose", "lily", "3"]')
    assert read_class_to_idx(str(tmp_path / "t.json")) == {"rose": 0, "lily": 1, "3": 2}


def test_no_file_is_no_table():
    assert read_class_to_idx(None) is None


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("t.json", "{", "is malformed"),
        ("t.json", '["rose", 1]', "got JSON list"),
        ("t.json", '["rose", "rose"]', "got class 'rose' twice"),
        ("t.json", '{"0": "rose", "0": "lily"}', "got index 0 for 'rose' and 'lily'"),
        ("t.json", "3", "got JSON int"),
        ("t.json", '{"rose": "1"}', "got index '1' of class 'rose'"),
        ("t.json", '{"rose": true}', "got index True of class 'rose'"),
        ("t.json", '{"rose": 1.5}', "got index 1.5 of class 'rose'"),
        ("t.json", '{"rose": -1}', "got index -1 of class 'rose'"),
        ("t.json", '{"rose": {"a": 1}}', "got index .* of class 'rose'"),
        ("t.json", '{"rose": 1, "rose": 2}', "got class 'rose' twice"),
        ("t.json", '{"rose": 1, "lily": 1}', "got index 1 for 'rose' and 'lily'"),
        ("t.json", "{}", "names no class"),
        ("t.csv", "", "names no class"),
        ("t.csv", "class,index\nrose,x\n", "got index 'x' in row 2"),
        ("t.csv", "rose\n", "got one column in row 1"),
        ("t.csv", 'rose,1\n"lily,2\n', "is malformed"),
    ],
)
def test_a_table_that_cannot_be_used(tmp_path, name, text, message):
    (tmp_path / name).write_text(text)
    with pytest.raises(DatasetError, match=message) as caught:
        read_class_to_idx(str(tmp_path / name))
    assert str(tmp_path / name) in str(caught.value)
    assert "remedy: " in str(caught.value)


def test_missing_file_and_wrong_encoding(tmp_path):
    with pytest.raises(DatasetError, match="dataset.class_to_idx cannot be read.*No such file"):
        read_class_to_idx(str(tmp_path / "none.json"))
    (tmp_path / "t.json").write_bytes(b'{"\xe9": 1}')
    with pytest.raises(DatasetError, match="is malformed"):
        read_class_to_idx(str(tmp_path / "t.json"))


def test_order_is_that_of_the_outputs():
    assert ordered(["a", "b", "c"], None) == ("a", "b", "c")
    assert ordered(["a", "b", "c"], {"c": 0, "a": 9, "b": 4, "other": 1}) == ("c", "b", "a")
    with pytest.raises(DatasetError, match="lacks 6 of 7 classes.*'b', 'c', 'd', 'e', 'f', ..."):
        ordered("abcdefg", {"a": 0})
